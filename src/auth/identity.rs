//! Who a user is elsewhere: at a provider that vouches for an e-mail address.

use crate::db::types::text_enum;

text_enum! {
    /// Who vouches for a user.
    pub enum OauthProvider {
        /// Google.
        Google = "google",
        /// GitHub.
        Github = "github",
    }
}

/// Who came back from a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who vouches.
    pub provider: OauthProvider,
    /// The provider's own id of the user, which never changes.
    pub subject: String,
    /// The user's e-mail address, as `normal_email` gives it. Its owner proved it to the provider: whoever fills this in has checked so.
    pub email: String,
    /// What people call the user.
    pub name: Option<String>,
}
