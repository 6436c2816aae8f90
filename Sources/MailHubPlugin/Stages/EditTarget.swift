/// Something that at most one plugin should write: `mailhub check` reports two writers of the same thing.
public enum EditTarget: Hashable, Sendable {
    /// The reverse-path.
    case sender
    /// What a recipient becomes.
    case recipients
    /// The header field of this name, in lower case.
    case headerField(String)
    /// All behind the header section.
    case body
    /// The route of recipients.
    case route
}

extension EditTarget: CustomStringConvertible {
    /// For `mailhub check`.
    public var description: String {
        switch self {
        case .sender: "the sender"
        case .recipients: "recipients"
        case .headerField(let name): "the header field \"\(name)\""
        case .body: "the body"
        case .route: "the route"
        }
    }
}
