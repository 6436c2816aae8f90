/// The stages of the hub at which plugins are asked or told, by their names in config.json, logs and `mailhub check`.
public enum Stage: String, Hashable, Sendable, Codable, CaseIterable {
    /// `ConnectHook`: a client has connected.
    case connect
    /// `TLSHook`: the connection is encrypted now.
    case tls
    /// `HelloHook`: HELO, EHLO, LHLO.
    case hello
    /// `AuthenticationHook`: AUTH.
    case authentication
    /// `SenderHook`: MAIL.
    case sender
    /// `RecipientResolver`: RCPT, does it exist.
    case resolver
    /// `RecipientHook`: RCPT, is it wanted.
    case recipient
    /// `DataHook`: DATA and the first BDAT.
    case data
    /// `HeaderHook`: the end of data, header section.
    case header
    /// `MessageHook`: the end of data, whole message.
    case message
    /// `RecipientMessageHook`: the end of data, whole message, for each recipient.
    case recipientMessage
    /// `RouteHook`: which way a recipient goes.
    case route
    /// `QueuedHook`: the message is durable.
    case queued
    /// `DisconnectHook`: the client has gone.
    case disconnect
    /// `DeliveryHook`: before an attempt.
    case delivery
    /// `DeliveryOutcomeHook`: after an attempt.
    case deliveryOutcome
    /// `SessionObserver`: events of all sessions.
    case observer
}

extension Stage {
    /// Whether plugins are only told there: what they are told of has happened.
    var isObserving: Bool {
        switch self {
        case .queued, .disconnect, .deliveryOutcome, .observer: true
        case .connect, .tls, .hello, .authentication, .sender, .resolver, .recipient, .data, .header, .message,
            .recipientMessage, .route, .delivery:
            false
        }
    }
}

extension HubPlugin {
    /// The stages that the plugin takes part in, in the order in which a message meets them.
    public var stages: [Stage] {
        Stage.allCases.filter { stage in
            guard !self.idleStages.contains(stage) else { return false }
            return switch stage {
            case .connect: self is any ConnectHook
            case .tls: self is any TLSHook
            case .hello: self is any HelloHook
            case .authentication: self is any AuthenticationHook
            case .sender: self is any SenderHook
            case .resolver: self is any RecipientResolver
            case .recipient: self is any RecipientHook
            case .data: self is any DataHook
            case .header: self is any HeaderHook
            case .message: self is any MessageHook
            case .recipientMessage: self is any RecipientMessageHook
            case .route: self is any RouteHook
            case .queued: self is any QueuedHook
            case .disconnect: self is any DisconnectHook
            case .delivery: self is any DeliveryHook
            case .deliveryOutcome: self is any DeliveryOutcomeHook
            case .observer: self is any SessionObserver
            }
        }
    }
}
