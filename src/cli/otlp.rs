//! Spans by OTLP, http/protobuf (cargo feature `otlp`): to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, nowhere without it.
//!
//! They name runs, steps, requests and models, never what is in them. They are sent in batches from a thread of their own; a collector that
//! is away costs spans and nothing else.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;

use super::CliError;
use super::logging::BoxedLayer;

/// Whichever of these is set says where spans go.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// The layer that hands our spans on; none where no endpoint is named. Needs a Tokio runtime.
pub(super) fn layer() -> Result<Option<BoxedLayer>, CliError> {
    if !ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
        return Ok(None);
    }
    let failed =
        |e: &dyn std::fmt::Display| CliError::usage("spans cannot be exported", "check OTEL_EXPORTER_OTLP_ENDPOINT").because(e);
    crate::forge::install_tls();
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let client = Collector { client: client.map_err(|e| failed(&e))?, runtime: Handle::current() };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).with_protocol(Protocol::HttpBinary).build();
    let exporter = exporter.map_err(|e| failed(&e))?;
    let resource = Resource::builder().with_service_name("forgehand").build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    let tracer = provider.tracer("forgehand");
    // A second beginning in one process keeps the first one's.
    let _kept = PROVIDER.set(provider);
    let ours = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("forgehand"));
    Ok(Some(
        tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false).with_filter(ours).boxed(),
    ))
}

/// Lets what waits go out.
pub(super) async fn end() {
    let Some(provider) = PROVIDER.get().cloned() else { return };
    // It waits for its thread, which needs the runtime: not on one of the runtime's own.
    let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE)).await;
    if let Ok(Err(error)) = ended {
        tracing::debug!(%error, "the last spans could not be exported");
    }
}

/// The collector, over the client that everything else here uses.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        // The exporter's thread has no runtime of its own.
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sent.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}
