//! The chain around every command.

use antiphon_core::interceptor::{Interceptor, after, before};
use antiphon_protocol::client::Target;

use super::super::session::Session;
use super::super::state::conversation_of;
use super::{Answer, CommandError, Delay, TerminalCommand};

/// Every error becomes one clear line.
pub(super) fn spoken_errors() -> impl Interceptor<Session, TerminalCommand, Answer, CommandError> {
    after(
        "spoken_errors",
        |session: &mut Session, answer: Result<Answer, CommandError>| {
            Ok(answer.unwrap_or_else(|error| Answer::line(session.painter.command_error(&error))))
        },
    )
}

/// Commands on a room or a conversation that name none get the current one.
pub(super) fn current_conversation()
-> impl Interceptor<Session, TerminalCommand, Answer, CommandError> {
    before(
        "current_conversation",
        |session: &mut Session, request: &mut TerminalCommand| {
            let current = session.state.lock().current.clone();
            if let Some(target) = target_of(request) {
                *target = Some(current.ok_or(CommandError::NoConversation)?);
                return Ok(());
            }
            if let TerminalCommand::History(history) = request {
                let named = current.ok_or(CommandError::NoConversation)?;
                history.conversation = Some(conversation_of(&named));
                return Ok(());
            }
            let room = if let TerminalCommand::Leave(leave) = request {
                &mut leave.room
            } else if let TerminalCommand::Members(members) = request {
                &mut members.room
            } else if let TerminalCommand::Invite(invite) = request {
                &mut invite.room
            } else if let TerminalCommand::Kick(kick) = request {
                &mut kick.room
            } else {
                return Ok(());
            };
            if room.is_none() {
                *room = match current {
                    Some(Target::Room(current)) => Some(current),
                    Some(Target::User(_)) | None => return Err(CommandError::NoRoom),
                };
            }
            Ok(())
        },
    )
}

/// The place for the current conversation in what is said there.
fn target_of(request: &mut TerminalCommand) -> Option<&mut Option<Target>> {
    if let TerminalCommand::Say(say) = request {
        Some(&mut say.target)
    } else if let TerminalCommand::Me(me) = request {
        Some(&mut me.target)
    } else if let TerminalCommand::Edit(edit) = request {
        Some(&mut edit.target)
    } else if let TerminalCommand::Delay(Delay::Add { target, .. }) = request {
        Some(target)
    } else {
        None
    }
}

/// Without a connection, what needs the server says so at once. What is said waits instead.
pub(super) fn connection() -> impl Interceptor<Session, TerminalCommand, Answer, CommandError> {
    before(
        "connection",
        |session: &mut Session, request: &mut TerminalCommand| {
            let needs_none = match request {
                TerminalCommand::Say(_)
                | TerminalCommand::ChatTo(_)
                | TerminalCommand::Msg(_)
                | TerminalCommand::Reply(_)
                | TerminalCommand::Me(_)
                | TerminalCommand::Edit(_)
                | TerminalCommand::Delay(_)
                | TerminalCommand::Emoji(_)
                | TerminalCommand::Pending(_)
                | TerminalCommand::Retry(_)
                | TerminalCommand::GiveUp(_)
                | TerminalCommand::WhoAmI(_)
                | TerminalCommand::Reconnect(_)
                | TerminalCommand::Clear(_)
                | TerminalCommand::Bell(_)
                | TerminalCommand::Help(_)
                | TerminalCommand::Quit(_) => true,
                TerminalCommand::Join(_)
                | TerminalCommand::Leave(_)
                | TerminalCommand::Create(_)
                | TerminalCommand::Rooms(_)
                | TerminalCommand::Members(_)
                | TerminalCommand::Invite(_)
                | TerminalCommand::Kick(_)
                | TerminalCommand::Stats(_)
                | TerminalCommand::Online(_)
                | TerminalCommand::History(_)
                | TerminalCommand::Search(_)
                | TerminalCommand::Unread(_)
                | TerminalCommand::Next(_)
                | TerminalCommand::Popular(_) => false,
            };
            if needs_none || session.client.is_connected() {
                Ok(())
            } else {
                Err(CommandError::NotConnected)
            }
        },
    )
}
