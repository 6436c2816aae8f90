public import MailHubPlugin

/// Says where mail for aliases and alias domains goes (RFC 5321 section 3.9).
public struct Aliases: RecipientResolver, OperatorHook {
    private let map: AliasMap

    /// Reads the keys that the README lists; all that is wrong with the entries is reported, not just the first.
    public init(configuration: ConfigurationSection, services: PluginServices) throws {
        self.map = AliasMap(reading: configuration)
    }

    /// What recipients become.
    public var edits: Set<EditTarget> { [.recipients] }

    /// What an alias leads to; addresses that are no aliases are other resolvers' business.
    public func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        let destination: AliasMap.Destination?
        do throws(AliasFault) {
            destination = try self.map.destination(of: mailbox)
        } catch {
            // Entries were tried when they were read; an alias domain in front of them can still make the way too long.
            return .unavailable("alias \(mailbox): \(error)")
        }
        guard let destination else { return .next }
        if destination.owner == nil, destination.targets.count == 1, let target = destination.targets.first {
            // One that leads to itself alone is a mailbox.
            return target == mailbox ? .next : .found(ResolvedRecipient(edits: [.replace(target)]))
        }
        let owner = destination.owner.map { ReversePath.mailbox($0) }
        return .found(ResolvedRecipient(edits: [.expand(destination.targets, owner: owner)]))
    }

    /// `show`.
    public var operatorVerbs: [(usage: String, does: String)] {
        [("show ADDRESS", "shows where mail for an address goes")]
    }

    /// Does what the operator asks.
    public func operate(_ request: OperatorRequest) async throws -> OperatorAnswer {
        guard request.verb == "show" else { throw OperatorMistake("\"\(request.verb)\" is not show") }
        let text = try request.argument("ADDRESS")
        guard let mailbox = Mailbox(text) else { throw OperatorMistake("\"\(text)\" is not a mail address") }
        guard let destination = try self.map.destination(of: mailbox) else {
            return OperatorAnswer(lines: ["\(mailbox) is no alias"])
        }
        let owner = destination.owner.map { ["reports go to \($0)"] } ?? []
        return OperatorAnswer(lines: destination.targets.map(\.description) + owner)
    }
}
