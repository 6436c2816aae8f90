import Administration
import ArgumentParser

/// Which messages are meant, by what they have in common.
struct FilterOptions: ParsableArguments {
    @Option(help: "Messages in this state.")
    var state: MessageState?

    @Option(help: ArgumentHelp("The sender contains this text; <> for notifications.", valueName: "text"))
    var sender: String?

    @Option(help: ArgumentHelp("A recipient contains this text.", valueName: "text"))
    var recipient: String?

    @Option(help: ArgumentHelp("A recipient is in this domain.", valueName: "domain"))
    var domain: String?

    @Option(help: ArgumentHelp("A recipient goes there: route, route/domain or domain.", valueName: "destination"))
    var destination: String?

    /// The filter for the hub.
    var filter: MessageFilter {
        MessageFilter(
            state: self.state,
            sender: self.sender,
            recipient: self.recipient,
            domain: self.domain,
            destination: self.destination
        )
    }
}

extension MessageState: ExpressibleByArgument {}

/// The messages that an operation is for: names, a filter, or all.
struct SelectionOptions: ParsableArguments {
    @Argument(help: "Messages by name.")
    var id: [String] = []

    @OptionGroup(title: "Filter") var filters: FilterOptions

    @Flag(help: "Every message; with a filter: every message that matches.")
    var all = false

    /// The selector for the hub.
    ///
    /// - Parameter filterSuffices: whether a filter without `--all` is enough.
    func selector(filterSuffices: Bool = true) throws(ValidationError) -> MessageSelector {
        let filter = self.filters.filter
        guard self.id.isEmpty else {
            guard filter.isEmpty, !self.all else { throw ValidationError("Give either names, or a filter, or --all.") }
            return .messages(ids: self.id)
        }
        guard self.all || !filter.isEmpty else {
            throw ValidationError("Say which messages: names, a filter or --all.")
        }
        guard self.all || filterSuffices else {
            throw ValidationError("To be sure: name each message, or add --all to remove all that match.")
        }
        return filter.isEmpty ? .all : .matching(filter: filter)
    }
}
