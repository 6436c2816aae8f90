package import Logging
package import MailHubPlugin
import Synchronization

/// A directory behind LDAP servers: many searches at a time on few connections, on one thread.
///
/// Nothing is connected before the first search.
package final class LDAPDirectory: Directory {
    private let loop: LDAPLoop

    /// - Throws: where the process has no descriptor left.
    package init(settings: LDAPSettings, logger: Logger) throws { self.loop = try LDAPLoop(settings, logger) }

    deinit { self.loop.post(.shutDown) }

    /// Closes the connections; searches are unavailable from now on.
    package func shutDown() { self.loop.post(.shutDown) }

    /// Where searches begin.
    package var base: String { self.loop.settings.base }

    /// What kind of directory it is.
    package var profile: DirectoryProfile { self.loop.settings.profile }

    /// The server that answered last.
    package var lastServer: String? { self.loop.lastServer.withLock { $0 } }

    /// Finds entries (RFC 4511 section 4.5).
    package func search(_ search: DirectorySearch) async -> Lookup<[DirectoryEntry]> {
        let job = SearchJob(search)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                job.wait(continuation)
                if !self.loop.post(.search(job)) { job.answer(.unavailable("shut down")) }
            }
        } onCancel: {
            self.loop.post(.cancel(job))
        }
    }
}
