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
