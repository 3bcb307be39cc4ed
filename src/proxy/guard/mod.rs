//! Stands on the accepted connection, before the framework: the framework's parser is lenient, reads a head without a bound on
//! time, and answers what it refuses by itself. Here each head of HTTP/1 is read strictly and in its time, and the framework is
//! given one request after another, in a form that leaves it nothing to decide. HTTP/2 it reads itself, under watch (`h2`).

pub mod chunks;
mod h2;
mod handover;
pub mod head;
mod pace;
mod serve;
pub mod stand_in;
mod stream;
mod turns;

pub use h2::{Http2, marked as marked_http2};
pub use handover::{Taken, take_over};
pub use serve::{Guarding, Refused};
pub use stream::{BodyRefused, MOST_LINGERING};
