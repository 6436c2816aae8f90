/// Which messages the operator means: those that match all that is given.
package struct MessageFilter: Codable, Hashable, Sendable {
    /// The message is in this state.
    package var state: MessageState?
    /// The sender contains this text, in any case; `<>` for the null reverse-path.
    package var sender: String?
    /// A recipient contains this text, in any case.
    package var recipient: String?
    /// A recipient's domain is this one, in any case.
    package var domain: String?
    /// A recipient goes to this destination: `route`, or `route/domain`, or the domain alone.
    package var destination: String?

    package init(
        state: MessageState? = nil,
        sender: String? = nil,
        recipient: String? = nil,
        domain: String? = nil,
        destination: String? = nil
    ) {
        self.state = state
        self.sender = sender
        self.recipient = recipient
        self.domain = domain
        self.destination = destination
    }

    /// Whether every message matches because nothing is asked for.
    package var isEmpty: Bool { self == MessageFilter() }

    /// Whether a message matches.
    package func matches(_ entry: QueueEntry) -> Bool {
        if let state = self.state, entry.state != state { return false }
        if let sender = self.sender, !Self.senderMatches(entry.sender, sender) { return false }
        if let recipient = self.recipient?.lowercased(),
            !entry.recipients.contains(where: { $0.address.lowercased().contains(recipient) })
        {
            return false
        }
        if let domain = self.domain?.lowercased(),
            !entry.recipients.contains(where: { $0.address.lowercased().hasSuffix("@" + domain) })
        {
            return false
        }
        if let destination = self.destination?.lowercased(),
            !entry.recipients.contains(where: { Self.destinationMatches($0.destination.lowercased(), destination) })
        {
            return false
        }
        return true
    }

    private static func senderMatches(_ sender: String, _ wanted: String) -> Bool {
        wanted == "<>" ? sender.isEmpty : sender.lowercased().contains(wanted.lowercased())
    }

    private static func destinationMatches(_ whole: String, _ wanted: String) -> Bool {
        // Behind a space, what the sender wants of the connections.
        let destination = whole.prefix { $0 != " " }
        guard destination != wanted, let slash = destination.firstIndex(of: "/") else { return destination == wanted }
        return destination[..<slash] == wanted || destination[destination.index(after: slash)...] == wanted
    }
}
