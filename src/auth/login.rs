//! What a login is: a sign-in, and the family of refresh tokens that go back to it. Access tokens name it, so its end is theirs.

use std::time::Duration;

use diesel::{Insertable, Queryable, Selectable};

use super::User;
use crate::clock::Timestamp;
use crate::db::ids::{Id, Noun};
use crate::db::tables::{logins, refresh_tokens};

/// How long after its first use a refresh token may be used once more: its answer may have been lost.
const SECOND_USE: Duration = Duration::from_secs(10);

/// One sign-in.
#[derive(Queryable, Selectable, Insertable, Clone, Debug)]
#[diesel(table_name = logins)]
pub struct Login {
    /// The user's organization.
    pub organization_id: Id,
    /// The login's id.
    pub id: Id,
    /// Who signed in.
    pub user_id: Id,
    /// When.
    pub created_at: Timestamp,
    /// When it ends unless it is refreshed before.
    pub expires_at: Timestamp,
    /// When it was ended before its time.
    pub revoked_at: Option<Timestamp>,
}

/// A token that is good for one more access token.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = refresh_tokens)]
pub struct RefreshToken {
    /// The login's organization.
    pub organization_id: Id,
    /// Whose family it is of.
    pub login_id: Id,
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
    /// How often it was used.
    pub uses: i64,
    /// When it was used first.
    pub used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What came of a refresh.
#[derive(Clone, Debug)]
pub enum Refreshed {
    /// The login goes on, with the successor of the token.
    GoesOn(Login),
    /// There is no such token, or it is over, or its login is.
    Unknown,
    /// It was used before, by whom nobody knows: its whole family is ended.
    Reused(Login),
}

impl Login {
    /// A new login of the user.
    pub fn new(user: &User, now: Timestamp, lifetime: Duration) -> Self {
        let (organization_id, id) = (user.organization_id, Id::new(Noun::Login));
        Self {
            organization_id,
            id,
            user_id: user.id,
            created_at: now,
            expires_at: now.after(lifetime),
            revoked_at: None,
        }
    }

    /// A token of its family that was never used.
    pub fn token(&self, token_hash: Vec<u8>, now: Timestamp) -> RefreshToken {
        RefreshToken {
            organization_id: self.organization_id,
            login_id: self.id,
            token_hash,
            uses: 0,
            used_at: None,
            created_at: now,
            expires_at: self.expires_at,
        }
    }
}

impl RefreshToken {
    /// Whether its latest use, already counted, is a good one: the first, or a second soon after it.
    pub fn is_used_well(&self, now: Timestamp) -> bool {
        match (self.uses, self.used_at) {
            (1, _) => true,
            (2, Some(used_at)) => now <= used_at.after(SECOND_USE),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_good_once_and_once_more_within_10_seconds() {
        let first = Timestamp::now();
        let later = |seconds| first.after(Duration::from_secs(seconds));
        let login = Login::new(&User::new(Id::fixed(0), "a@b".into(), None), first, Duration::from_secs(60));
        let token = |uses| RefreshToken { uses, used_at: Some(first), ..login.token(Vec::new(), first) };
        assert!(token(1).is_used_well(later(0)));
        assert!(token(2).is_used_well(later(10)));
        assert!(!token(2).is_used_well(later(11)));
        assert!(!token(3).is_used_well(later(0)));
    }
}
