//! Fetches GraphiQL's page from npm and embeds it; without npm the build goes on and the page loads the same files from a public CDN.

use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What `npm ci` reads, in `PAGES`.
const PACKAGE_FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
const PAGES: &str = "src/edge/pages";

/// Name under `/graphiql/`, npm package, file in it, hash of the file: a browser refuses another one, whoever serves it.
const ASSETS: [(&str, &str, &str, &str); 5] = [
    (
        "react.js",
        "react",
        "umd/react.production.min.js",
        "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    ),
    (
        "react-dom.js",
        "react-dom",
        "umd/react-dom.production.min.js",
        "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    ),
    (
        "graphql-ws.js",
        "graphql-ws",
        "umd/graphql-ws.min.js",
        "sha384-+EVxFEOpy8LWPRQcpntm0FKN2O+BzrMNSL0G3HIgVWFmeb6xqZqjuLivrQUTXZKi",
    ),
    (
        "graphiql.js",
        "graphiql",
        "graphiql.min.js",
        "sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B",
    ),
    (
        "graphiql.css",
        "graphiql",
        "graphiql.min.css",
        "sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // Where npm is looked for.
    println!("cargo:rerun-if-env-changed=PATH");
    for file in PACKAGE_FILES {
        println!("cargo:rerun-if-changed={PAGES}/{file}");
    }
    let pages = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(PAGES);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let embedded = match fetch(&pages, &out.join("graphiql")) {
        Ok(()) => true,
        Err(error) => {
            println!("cargo:warning=GraphiQL is not embedded ({error}); its page will load from a public CDN");
            false
        }
    };
    fs::write(out.join("graphiql_assets.rs"), table(&pages, &out.join("graphiql"), embedded)?)?;
    Ok(())
}

/// Installs the packages beside `to` and keeps the assets alone, under their own names.
fn fetch(pages: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let work = to.with_extension("npm");
    fs::create_dir_all(&work)?;
    for file in PACKAGE_FILES {
        fs::copy(pages.join(file), work.join(file))?;
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(npm)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"])
        .current_dir(&work)
        .output()
        .map_err(|error| format!("npm did not start: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("npm ci failed: {}", errors.lines().next().unwrap_or_default()).into());
    }
    fs::create_dir_all(to)?;
    for (name, package, file, _) in ASSETS {
        fs::copy(work.join("node_modules").join(package).join(file), to.join(name))?;
    }
    // The packages are a hundred times larger than what is kept of them.
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// The Rust text of the table of assets, which pages.rs includes.
fn table(pages: &Path, files: &Path, embedded: bool) -> Result<String, Box<dyn Error>> {
    let packages = fs::read_to_string(pages.join("package.json"))?;
    let mut table = format!("const EMBEDDED: bool = {embedded};\nconst ASSETS: &[Asset] = &[\n");
    for (name, package, file, integrity) in ASSETS {
        let (address, body) = if embedded {
            let path = files.join(name);
            let mut hasher = DefaultHasher::new();
            fs::read(&path)?.hash(&mut hasher);
            let address = format!("/graphiql/{name}?v={:016x}", hasher.finish());
            (address, format!("include_bytes!({path:?})"))
        } else {
            let version =
                version(&packages, package).ok_or_else(|| format!("package.json has no exact version of {package}"))?;
            (format!("https://unpkg.com/{package}@{version}/{file}"), "b\"\"".to_owned())
        };
        writeln!(
            table,
            "    Asset {{ name: {name:?}, address: {address:?}, integrity: {integrity:?}, body: {body} }},"
        )?;
    }
    table.push_str("];\n");
    Ok(table)
}

/// The version of a dependency; package.json names exact ones only, each on a line of its own.
fn version<'a>(packages: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = packages.split_once(&format!("\"{package}\": \""))?;
    rest.split('"').next()
}
