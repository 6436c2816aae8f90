import MailHubPlugin
import PluginTestSupport
import SizeLimits

func plugin(_ configuration: String) throws -> SizeLimits {
    try TestServices().make(SizeLimits.self, configuration, servedDomains: [])
}

func transaction(size: Int?, _ recipients: [EnvelopeRecipient] = []) -> TransactionContext {
    var envelope = Envelope(reversePath: .null, recipients: recipients)
    envelope.declaredSize = size
    return TransactionContext(envelope: envelope, queueIdentifier: "q1", facts: Facts())
}

func describe(_ outcome: SenderOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .change(let edits): edits.map(describe).joined(separator: ", ")
    case .reject(let reply): describe(reply)
    default: "\(outcome)"
    }
}

func describe(_ outcome: RecipientOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .change(let edits): edits.map(describe).joined(separator: ", ")
    case .reject(let reply): describe(reply)
    default: "\(outcome)"
    }
}

func describe(_ outcome: MessageOutcome) -> String {
    switch outcome {
    case .next: "next"
    case .reject(let reply): describe(reply)
    default: "\(outcome)"
    }
}

private func describe(_ edit: SenderEdit) -> String {
    if case .limitSize(let limit) = edit { "limit \(limit)" } else { "\(edit)" }
}

private func describe(_ edit: RecipientEdit) -> String {
    if case .limitSize(let limit) = edit { "limit \(limit)" } else { "\(edit)" }
}

private func describe(_ reply: Reply) -> String { "\(reply.code) \(reply.enhancedText ?? "")" }
