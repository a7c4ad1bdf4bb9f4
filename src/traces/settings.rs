//! The settings of traces. They have the names that OpenTelemetry specifies.

use std::collections::HashMap;

use clap::{Args, ValueEnum};
use opentelemetry_sdk::trace::Sampler as SdkSampler;

/// Settings of traces.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Traces")]
pub struct TraceArgs {
    /// Base URL of an OpenTelemetry collector that accepts traces over OTLP with HTTP (`http/protobuf`), such as
    /// `http://localhost:4318` [default: no traces]
    #[arg(long, env, value_parser = endpoint)]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// Headers for the collector, such as credentials: `name=value`, comma-separated [default: none]
    #[arg(long, env, hide_env_values = true)]
    pub otel_exporter_otlp_headers: Option<String>,
    /// The name of this service in traces
    #[arg(long, env, default_value = "context-services")]
    pub otel_service_name: String,
    /// Requests to trace. With `parentbased_…`, a request with a `traceparent` is traced if the caller traces it, and
    /// other requests as the rest of the name says
    #[arg(long, env, value_enum, default_value_t = Sampler::ParentBasedAlwaysOn)]
    pub otel_traces_sampler: Sampler,
    /// The share of requests that are traced, with a sampler `…traceidratio`: 0 to 1
    #[arg(long, env, default_value_t = 1.0, value_parser = ratio)]
    pub otel_traces_sampler_arg: f64,
}

/// The requests that are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Sampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share of them.
    #[value(name = "traceidratio")]
    TraceIdRatio,
    /// As the caller says, else all.
    #[value(name = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// As the caller says, else none.
    #[value(name = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// As the caller says, else a share of them.
    #[value(name = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

impl TraceArgs {
    pub(super) fn sampler(&self) -> SdkSampler {
        let ratio = SdkSampler::TraceIdRatioBased(self.otel_traces_sampler_arg);
        match self.otel_traces_sampler {
            Sampler::AlwaysOn => SdkSampler::AlwaysOn,
            Sampler::AlwaysOff => SdkSampler::AlwaysOff,
            Sampler::TraceIdRatio => ratio,
            Sampler::ParentBasedAlwaysOn => SdkSampler::ParentBased(Box::new(SdkSampler::AlwaysOn)),
            Sampler::ParentBasedAlwaysOff => SdkSampler::ParentBased(Box::new(SdkSampler::AlwaysOff)),
            Sampler::ParentBasedTraceIdRatio => SdkSampler::ParentBased(Box::new(ratio)),
        }
    }

    /// The headers, by name. Names and values may be percent-encoded.
    pub(super) fn headers(&self) -> HashMap<String, String> {
        let pairs = self.otel_exporter_otlp_headers.iter().flat_map(|list| list.split(','));
        let decoded = |text: &str| percent_encoding::percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
        pairs.filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decoded(name), decoded(value))).collect()
    }
}

fn endpoint(text: &str) -> Result<String, String> {
    let valid = text.strip_prefix("http://").is_some_and(|rest| !rest.is_empty());
    let expected =
        "expected http://HOST:PORT; to reach a collector over TLS, run a local collector that forwards to it";
    if valid { Ok(text.to_owned()) } else { Err(expected.to_owned()) }
}

fn ratio(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}
