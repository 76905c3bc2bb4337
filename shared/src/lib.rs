//! The code that the functions share: the configuration, the clients of the vendors, and the use-cases.
//!
//! The data flows one way: a function verifies and parses, calls one use-case, and answers; the use-case asks the
//! database (the referee) what may happen, does the outside calls through [`clients`], and tells the database what
//! happened. Only [`gateway`], [`queue`] and `invocation` know of Lambda, by the crates `lambda_http` and
//! `aws_lambda_events`; everything else uses the types of the crate `http`.
//!
//! | module | its content |
//! |---|---|
//! | [`environment`] | a function's environment variables, and the secrets and queues that they name |
//! | [`secret`] | a secret of Secrets Manager, in memory |
//! | `aws` | the settings of AWS's SDK |
//! | [`error`] | the one error type |
//! | [`refusal`] | every reason to refuse a request or an attempt |
//! | [`clients`] | Twilio, ElevenLabs and Supabase |
//! | [`vendor`] | their addresses and secrets, which are read again after a rotation |
//! | [`correlation`] | the id that all log lines, messages and vendor requests of one piece of work have |
//! | [`metrics`] | the figures that are counted and timed |
//! | [`answer`] | the answers of the HTTP API: JSON, or an error as `application/problem+json` |
//! | [`gateway`] | the HTTP functions: `lambda_http`, behind a guard |
//! | [`auth`] | authentication: the verified Supabase user who is calling |
//! | `invocation` | one invocation of a function |
//! | [`logging`] | the log of a function |
//! | [`messages`] | the messages that the functions put into each other's queues |
//! | [`queue`] | sending a message, and working through a batch that has arrived |
//! | [`referee`] | every decision of the database, with its arguments and outcomes |
//! | [`recordings`] | bringing a finished call recording into the private bucket |
//! | [`voices`] | a voice's metadata, and the error of an attempt that has failed |
//! | [`erasures`] | erasing every copy of a voice |

pub mod answer;
pub mod auth;
mod aws;
pub mod clients;
pub mod correlation;
pub mod environment;
pub mod erasures;
pub mod error;
pub mod gateway;
pub mod invocation;
pub mod logging;
mod media;
pub mod messages;
pub mod metrics;
pub mod queue;
pub mod recordings;
pub mod referee;
pub mod refusal;
pub mod secret;
pub mod vendor;
pub mod voices;
