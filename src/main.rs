//! The program: reads settings, runs the server until it is told to stop.

use everruns::app::App;
use everruns::config::{AuthMode, Command, CommandLine, Switch};
use everruns::graphql;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let line = CommandLine::read();
    if matches!(line.command, Some(Command::Schema)) {
        print!("{}", graphql::sdl());
        return ExitCode::SUCCESS;
    }
    let config = line.config();
    // NATS's client tells of each try to connect; the bus says what matters of it.
    let log = EnvFilter::new(format!("async_nats=off,{}", config.log));
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.cause().map(|cause| format!(": {cause}")).unwrap_or_default();
            tracing::error!("the server cannot go on: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: everruns::config::Config) -> everruns::error::Result<()> {
    let asks_nobody = config.auth.mode == AuthMode::None;
    let shows_graphiql = config.graphiql == Switch::On;
    let app = App::start(config).await?;
    let address = app.address();
    if asks_nobody && !address.ip().is_loopback() {
        tracing::warn!(
            "AUTH_MODE is none and the server listens on {address}: whoever reaches it owns everything in it"
        );
    }
    let graphiql = if shows_graphiql { format!(", GraphiQL on http://{address}/graphiql") } else { String::new() };
    tracing::info!("listening on http://{address}{graphiql}");
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    app.run(stop).await
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return tracing::error!("signals cannot be heard: only a kill stops this server");
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
}
