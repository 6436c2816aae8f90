public import MailHubPlugin

/// A reply in short, such as `451 4.7.1`.
public func describe(_ reply: Reply) -> String {
    [reply.code.description, reply.enhancedText].compactMap { $0 }.joined(separator: " ")
}

/// An outcome in short.
public func describe(_ outcome: ConnectOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .accept: "accept"
    case .reject(let reply), .defer(let reply): describe(reply)
    }
}

/// An outcome in short.
public func describe(_ outcome: SenderOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .reject(let reply), .defer(let reply): describe(reply)
    default: "\(outcome)"
    }
}

/// An outcome in short.
public func describe(_ outcome: RecipientOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .accept: "accept"
    case .reject(let reply), .defer(let reply): describe(reply)
    default: "\(outcome)"
    }
}

/// An outcome in short.
public func describe(_ outcome: DataOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .accept: "accept"
    case .reject(let reply), .defer(let reply), .disconnect(let reply): describe(reply)
    }
}

/// An outcome in short: `found` with what the recipient becomes.
public func describe(_ resolution: RecipientResolution) -> String {
    switch resolution {
    case .next: "next"
    case .notFound: "not found"
    case .unavailable(let reason): "unavailable: \(reason)"
    case .found(let recipient): (["found"] + recipient.edits.map { describe($0) }).joined(separator: ", ")
    }
}

/// An edit in short.
public func describe(_ edit: RecipientEdit) -> String {
    switch edit {
    case .replace(let mailbox): "replace \(mailbox)"
    case .add(let mailbox): "add \(mailbox)"
    case .drop: "drop"
    case .expand(let mailboxes, let owner):
        "expand \(mailboxes.map(\.description).joined(separator: " "))\(owner.map { " owner \($0)" } ?? "")"
    case .route(let route): "route \(route)"
    case .routeMembers(let routes): routes.map { "\($0) by \($1)" }.sorted().joined(separator: ", ")
    case .limitSize(let size): "size \(size)"
    }
}
