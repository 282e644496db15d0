//! Sign-in with Google and GitHub: the authorization code flow with PKCE, bound to the browser that began it.
//!
//! Nothing is stored between the two halves, so that any replica can end what another began. [`Oauth::start`] gives the browser a cookie with a
//! random number, and the provider a state and a code challenge, both keyed hashes of that number: the cookie holds neither, and nobody who sees
//! the address can make the cookie. [`Oauth::finish`] takes all three back together.

mod attempt;
mod exchange;
mod flow;
pub mod graphql;
mod profile;
mod provider;

pub use attempt::{ATTEMPT_AGE_MAX, COOKIE};
pub use flow::{Callback, Oauth, Start, client, not_set_up};
