//! The vendors' APIs, as far as the bundle uses them.
//!
//! A client is a plain struct of an HTTP client, a base URL and a key; the base URL is the test seam. Every request
//! carries a timeout that is shorter than that of the function it runs in. A failed request is not repeated here: the
//! queue does that, and the database decides which work may be repeated.

mod call;
pub mod elevenlabs;
mod secret_fields;
pub mod supabase;
pub mod twilio;
mod vendor_error;

pub use call::http_client;
pub use vendor_error::VendorError;
