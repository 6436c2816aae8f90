import DequeModule
import Glibc
import Logging
import MailHubPlugin
import Synchronization

/// What comes back from the servers.
extension LDAPEngine {
    /// Takes what has come.
    ///
    /// - Parameter descriptors: what `poll` says about each of `connections`.
    mutating func read(_ descriptors: [pollfd]) {
        for index in descriptors.indices.reversed() where descriptors[index].revents != 0 {
            guard self.connections.indices.contains(index) else { continue }
            self.connections[index].isBusy = false
            self.readAll(index)
        }
    }

    /// The library reads ahead, so everything that has come is taken before the next wait.
    private mutating func readAll(_ index: Int) {
        // To ask for the next page may find that the connection is gone.
        while self.connections[index].fault == nil {
            switch self.connections[index].handle.next() {
            case .nothing: return
            case .lost(let reason): self.connections[index].fault = reason
            case .message(let event):
                self.connections[index].lastReceived = MonotonicTime.now
                self.take(event, on: index)
            }
        }
    }

    /// Closes the connections that are of no use any more: nobody is counting them now.
    ///
    /// - Returns: whether there were any.
    @discardableResult
    mutating func closeFaulty() -> Bool {
        var wasAny = false
        for index in self.connections.indices.reversed() {
            guard let reason = self.connections[index].fault else { continue }
            self.lose(index, reason)
            wasAny = true
        }
        return wasAny
    }

    /// Closes a connection; its searches are sent once more, at another server where there is one.
    private mutating func lose(_ index: Int, _ reason: String) {
        let connection = self.connections.remove(at: index)
        let server = self.settings.servers[connection.server]
        // One that is lost as soon as it is there would be made again and again.
        if MonotonicTime.now - connection.opened < 1000 {
            self.fail(connection.server, "\(server), connect: \(reason)")
        }
        if !connection.searches.isEmpty {
            self.loop.logger.notice("directory connection lost", metadata: ["host": "\(server)", "error": "\(reason)"])
        }
        for flight in connection.searches.values {
            guard let progress = flight.progress else { continue }
            self.tryAgain(progress, "\(server), search: \(reason)")
        }
    }

    mutating func tryAgain(_ given: JobProgress, _ reason: String) {
        var progress = given
        guard progress.tries < 2, self.health.preferred != nil, progress.deadline > MonotonicTime.now else {
            return progress.job.answer(.unavailable(reason))
        }
        progress.restart()
        self.waiting.prepend(progress)
    }

    private mutating func take(_ event: LDAPMessageEvent, on index: Int) {
        let identifier = event.identifier
        switch event.content {
        case .other: return
        case .entry(let entry):
            // In place: a copy for each entry would make a long answer take quadratic time.
            self.connections[index].searches[identifier]?.progress?.entries.append(entry)
            guard let progress = self.connections[index].searches[identifier]?.progress,
                progress.entries.count > progress.job.search.limit
            else { return }
            self.giveUp(identifier, on: index, "more than \(progress.job.search.limit) entries")
        case .malformed:
            let server = self.settings.servers[self.connections[index].server]
            self.giveUp(identifier, on: index, "\(server), search: part of the answer cannot be read")
        case .reference(let urls):
            self.connections[index].searches[identifier]?.progress?.references += urls.prefix(10)
        case .result(let result):
            let flight = self.connections[index].searches.removeValue(forKey: identifier)
            if let progress = flight?.progress { self.finish(progress, result, on: index) }
        }
    }

    private mutating func giveUp(_ identifier: Int32, on index: Int, _ reason: String) {
        guard let flight = self.connections[index].searches.removeValue(forKey: identifier) else { return }
        self.connections[index].handle.abandon(identifier)
        flight.progress?.job.answer(.unavailable(reason))
    }

    private mutating func finish(_ given: JobProgress, _ result: LDAPResult, on index: Int) {
        var progress = given
        let server = self.connections[index].server
        let name = self.settings.servers[server].url
        self.loop.lastServer.withLock { $0 = name }
        switch result.code {
        case LDAPResult.success where !result.cookie.isEmpty:
            progress.cookie = result.cookie
            progress.deadline = MonotonicTime.now + self.settings.timeouts.total.milliseconds
            self.send(progress, on: index, MonotonicTime.now)
        case LDAPResult.success:
            progress.job.answer(self.answer(progress, name))
        case LDAPResult.noSuchObject where progress.job.search.scope == .base:
            progress.job.answer(.notFound)
        case LDAPResult.noSuchObject:
            // The server is empty or hides the part to be searched, and cannot say that anybody is unknown.
            let base = progress.job.search.base ?? self.settings.base
            progress.job.answer(.unavailable("\(name), search: the base \"\(base)\" is not there"))
        case LDAPResult.sizeLimitExceeded:
            progress.job.answer(.unavailable("\(name), search: more entries than the server or the hub allows"))
        case LDAPResult.referral:
            let urls = result.referrals.joined(separator: " ")
            progress.job.answer(.unavailable("\(name), search: refers to \(urls), which is not followed"))
        case LDAPResult.elsewhere where self.health.alternative(to: server) != nil:
            progress.avoided = server
            self.tryAgain(progress, "\(name), search: \(result.text)")
        default:
            progress.job.answer(.unavailable("\(name), search: \(result.text)"))
        }
    }

    private mutating func answer(_ progress: JobProgress, _ server: String) -> Lookup<[DirectoryEntry]> {
        for url in progress.references where self.toldReferences.count < 100 && self.toldReferences.insert(url).inserted
        {
            self.loop.logger.notice(
                "directory refers to another server, which is not followed",
                metadata: ["host": "\(server)", "referral": "\(url)"]
            )
        }
        guard progress.entries.isEmpty else { return .found(progress.entries) }
        // Every domain of an Active Directory refers to its DNS and configuration partitions, where no recipients are.
        guard progress.references.isEmpty || self.settings.profile == .activeDirectory else {
            let urls = progress.references.joined(separator: " ")
            return .unavailable("\(server), search: part of the answer is at \(urls), which is not followed")
        }
        return .notFound
    }
}
