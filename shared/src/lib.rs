//! What the functions share: the configuration, the clients of the vendors, and the use-cases.
//!
//! The data flows one way: a function verifies and parses, calls one use-case, and answers; the use-case asks the
//! database (the referee) what may happen, does the outside calls through [`clients`], and tells the database what
//! happened. Of Lambda only [`gateway`] and [`queue`] know, with the crates `lambda_http` and `aws_lambda_events`; otherwise
//! HTTP is spoken in terms of the `http` crate.
//!
//! | module | what it holds |
//! |---|---|
//! | [`environment`] | a function's environment variables, and what they point to |
//! | [`secret`] | a secret of Secrets Manager, in memory |
//! | `aws` | the settings of AWS's SDK |
//! | [`error`] | the one error type, told by what the caller can do about it |
//! | [`refusal`] | everything that the bundle says no to |
//! | [`clients`] | Twilio, ElevenLabs and Supabase |
//! | [`vendor`] | how a function reaches them, with secrets that may be rotated |
//! | [`correlation`] | the id that all log lines, messages and vendor requests of one piece of work have |
//! | [`metrics`] | what is counted and timed |
//! | [`answer`] | what a request gets: JSON, or an error as `application/problem+json` |
//! | [`gateway`] | the HTTP functions: `lambda_http`, behind a guard |
//! | [`auth`] | who is calling: a verified Supabase user |
//! | `invocation` | one invocation of a function |
//! | [`messages`] | what the functions put into each other's queues |
//! | [`queue`] | sending a message, and working through a batch that has arrived |
//! | [`referee`] | every decision of the database, with its arguments and outcomes |
//! | [`recordings`] | a finished call recording → the private bucket |
//! | [`voices`] | what is kept of a voice, and why there is none |
//! | [`erasures`] | every copy of it goes |

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
