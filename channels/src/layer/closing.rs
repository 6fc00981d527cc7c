//! Ending connections, wherever they are.

use super::command::{Command, UnderWay};
use super::naming::user_named;
use super::{ChannelLayer, Receipt};
use crate::backend::{Envelope, Published, Topic};
use crate::close::CloseReason;
use crate::error::Error;
use crate::id::ConnectionId;

impl ChannelLayer {
    /// Closes all connections of a user, on all servers, with 4501 and these words, or by a [`CloseReason`] with another
    /// code. What was sent to the user before is written first; `#[disconnect]` runs as always.
    ///
    /// The receipt tells how many connections of this server were closed or, where the backend delivers later, how many
    /// the user has here, and how many servers were told.
    ///
    /// # Who comes in meanwhile
    ///
    /// What is closed is who is connected. So end the login first, then close: whoever comes afterwards is refused by
    /// `#[accept]`. One that `#[accept]` let in before and that is not connected yet is not closed; `#[connect]` runs when
    /// it is, and a second look at the login there leaves no gap:
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # #[derive(Clone)] struct Logins;
    /// # impl Logins {
    /// #     async fn find(&self, _session: u64) -> Option<UserId> { UserId::new("ada").ok() }
    /// #     async fn end(&self, _user: &str) {}
    /// # }
    /// # struct Chat { user: UserId, session: u64 }
    /// #[consumer(state = Logins)]
    /// impl Chat {
    ///     #[accept]
    ///     async fn accept(Path(session): Path<u64>, State(logins): State<Logins>) -> Result<Self, StatusCode> {
    ///         let user = logins.find(session).await.ok_or(StatusCode::UNAUTHORIZED)?;
    ///         Ok(Self { user, session })
    ///     }
    ///
    ///     #[user]
    ///     fn user(&self) -> &UserId { &self.user }
    ///
    ///     #[connect]
    ///     async fn connected(&self, conn: Connection, State(logins): State<Logins>) {
    ///         if logins.find(self.session).await.is_none() {
    ///             conn.close("signed out");
    ///         }
    ///     }
    /// #   #[on_text] fn text(&self, _text: ByteString) {}
    /// }
    ///
    /// async fn sign_out(user: &str, logins: &Logins, layer: &ChannelLayer) -> Result<(), channels::Error> {
    ///     logins.end(user).await;
    ///     layer.close_user(user, "signed out").await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the backend did not take it: this server has closed its own connections of the user, other servers
    /// may not have; try again. `VALIDATION_FAILED` for a name that is no [`UserId`](crate::UserId). A user
    /// without a connection is no error. Over Redis it goes where messages go: another server whose connection to Redis is
    /// interrupted at that moment does not hear it, as [`ChannelLayer::events`] tells there. This server need not hear it: who of
    /// those that were connected here is still not closed a second later is closed then.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it returned, it was sent or not; who was connected here when it was called is closed either way.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer) -> Result<(), channels::Error> {
    /// layer.close_user("ada", "signed out").await?;
    /// layer.close_user("mallory", CloseReason::server(CloseCode::POLICY_VIOLATION, "banned")).await?;
    /// # Ok(()) }
    /// ```
    pub async fn close_user(&self, user: impl AsRef<str>, why: impl Into<CloseReason>) -> Result<Receipt, Error> {
        let user = user_named(user)?;
        self.command(Topic::User(&user), None, Command::close(why.into())).await
    }

    /// Closes all connections of a user but one: "sign out everywhere else".
    ///
    /// # Errors
    ///
    /// As [`ChannelLayer::close_user`].
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.close_user_except("ada", conn.id(), "signed out from another device").await?;
    /// # Ok(()) }
    /// ```
    pub async fn close_user_except(
        &self,
        user: impl AsRef<str>,
        except: ConnectionId,
        why: impl Into<CloseReason>,
    ) -> Result<Receipt, Error> {
        let user = user_named(user)?;
        self.command(Topic::User(&user), Some(except), Command::close(why.into())).await
    }

    /// Closes one connection, on whichever server it is; as [`ChannelLayer::close_user`].
    ///
    /// # Errors
    ///
    /// `BACKEND_ERROR` where the backend did not take it, which closes a connection of this server all the same. A connection that
    /// has gone is no error.
    ///
    /// ```
    /// # use channels::prelude::*;
    /// # async fn example(layer: ChannelLayer, conn: Connection) -> Result<(), channels::Error> {
    /// layer.close_connection(conn.id(), "this window was signed out").await?;
    /// # Ok(()) }
    /// ```
    pub async fn close_connection(&self, id: ConnectionId, why: impl Into<CloseReason>) -> Result<Receipt, Error> {
        self.command(Topic::Connection(id), None, Command::close(why.into())).await
    }

    pub(super) async fn command(
        &self,
        topic: Topic<'_>,
        except: Option<ConnectionId>,
        command: Command,
    ) -> Result<Receipt, Error> {
        let envelope = Envelope { except, ..command.envelope()? };
        // Afterwards they may have gone already.
        let here = self.registry().members(topic);
        let under_way = UnderWay::new(&self.manager, topic, except, command);
        let Published { local, servers } = self.manager.publish(topic, envelope).await?;
        match local {
            Some(_) => under_way.done(),
            None => under_way.taken(),
        }
        Ok(Receipt { local: local.unwrap_or(here), servers })
    }
}
