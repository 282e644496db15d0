//! Fetches GraphiQL and Swagger UI from npm and embeds them; without npm the build goes on and the pages load the same files from a public CDN.

use std::error::Error;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What `npm ci` reads, in `PAGES`.
const PACKAGE_FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
const PAGES: &str = "src/edge/pages";

/// The files of ours: the path of each, and its name in `PAGES`.
const OWN: [(&str, &str); 4] = [
    ("/graphiql/page.css", "graphiql.css"),
    ("/graphiql/page.js", "graphiql.js"),
    ("/swagger-ui/page.css", "swagger_ui.css"),
    ("/swagger-ui/page.js", "swagger_ui.js"),
];

/// The files of others: path, npm package, file in it, hash of the file: a browser refuses another one, whoever serves it.
const FETCHED: [(&str, &str, &str, &str); 6] = [
    (
        "/graphiql/react.js",
        "react",
        "umd/react.production.min.js",
        "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    ),
    (
        "/graphiql/react-dom.js",
        "react-dom",
        "umd/react-dom.production.min.js",
        "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    ),
    (
        "/graphiql/graphiql.js",
        "graphiql",
        "graphiql.min.js",
        "sha384-9XdHu7ajgGJziD4J1zNBKQ842Q/+zZfDv+ib1eMhZWBH6hPAs806x+Jbcf0yNO6B",
    ),
    (
        "/graphiql/graphiql.css",
        "graphiql",
        "graphiql.min.css",
        "sha384-1el1QShFBnnXTx9x/Cprg82hZWKt0ry29OAYIXt05swbi0KcZDFoj0CWguMpopJr",
    ),
    (
        "/swagger-ui/swagger-ui.js",
        "swagger-ui-dist",
        "swagger-ui-bundle.js",
        "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9",
    ),
    (
        "/swagger-ui/swagger-ui.css",
        "swagger-ui-dist",
        "swagger-ui.css",
        "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // Where npm is looked for.
    println!("cargo:rerun-if-env-changed=PATH");
    for file in PACKAGE_FILES.into_iter().chain(OWN.map(|(_, file)| file)) {
        println!("cargo:rerun-if-changed={PAGES}/{file}");
    }
    let pages = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(PAGES);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let files = out.join("pages");
    let embedded = match fetch(&pages, &files) {
        Ok(()) => true,
        Err(error) => {
            println!(
                "cargo:warning=GraphiQL and Swagger UI are not embedded ({error}); they will load from a public CDN"
            );
            false
        }
    };
    fs::write(out.join("page_assets.rs"), table(&pages, &files, embedded)?)?;
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
    for (path, package, file, _) in FETCHED {
        fs::copy(work.join("node_modules").join(package).join(file), to.join(name(path)))?;
    }
    // The packages are a hundred times larger than what is kept of them.
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// The name of a file: its path without folders. All differ.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The Rust text of the table of assets, which pages.rs includes.
fn table(pages: &Path, files: &Path, embedded: bool) -> Result<String, Box<dyn Error>> {
    let packages = fs::read_to_string(pages.join("package.json"))?;
    let mut table = format!("const EMBEDDED: bool = {embedded};\nconst ASSETS: &[Asset] = &[\n");
    for (path, file) in OWN {
        add(&mut table, path, &address(path, &pages.join(file))?, "", &pages.join(file))?;
    }
    for (path, package, file, integrity) in FETCHED {
        let ours = files.join(name(path));
        if embedded {
            add(&mut table, path, &address(path, &ours)?, integrity, &ours)?;
        } else {
            let version =
                version(&packages, package).ok_or_else(|| format!("package.json has no exact version of {package}"))?;
            let cdn = format!("https://unpkg.com/{package}@{version}/{file}");
            writeln!(
                table,
                "    Asset {{ path: {path:?}, address: {cdn:?}, integrity: {integrity:?}, body: b\"\" }},"
            )?;
        }
    }
    table.push_str("];\n");
    Ok(table)
}

fn add(table: &mut String, path: &str, address: &str, integrity: &str, file: &Path) -> Result<(), Box<dyn Error>> {
    writeln!(
        table,
        "    Asset {{ path: {path:?}, address: {address:?}, integrity: {integrity:?}, body: include_bytes!({file:?}) }},"
    )?;
    Ok(())
}

/// Where a browser finds a file of this server; it changes with the file.
fn address(path: &str, file: &Path) -> Result<String, Box<dyn Error>> {
    let mut hasher = DefaultHasher::new();
    fs::read(file)?.hash(&mut hasher);
    Ok(format!("{path}?v={:016x}", hasher.finish()))
}

/// The version of a dependency; package.json names exact ones only, each on a line of its own.
fn version<'a>(packages: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = packages.split_once(&format!("\"{package}\": \""))?;
    rest.split('"').next()
}
