public import Synchronization

/// What happens when a plugin throws or outlives its time limit.
@usableFromInline
@frozen
package enum FailurePolicy: String, Sendable, CaseIterable {
    /// The command is answered with 451: the client tries again.
    case `defer`
    /// As if the plugin had answered `next`.
    case ignore
}

/// A plugin with what config.json says about running it.
package struct ConfiguredPlugin: Sendable {
    /// Its name in config.json, for logs.
    package let name: String
    package let plugin: any HubPlugin
    /// How long one call may take.
    package let timeLimit: Duration
    /// How long one call may take at stages that have a limit of their own.
    package let timeLimits: [Stage: Duration]
    package let onFailure: FailurePolicy
    package let health: PluginHealth
    package let counters: Counters

    package init(
        name: String,
        plugin: any HubPlugin,
        timeLimit: Duration,
        timeLimits: [Stage: Duration] = [:],
        onFailure: FailurePolicy,
        breaker: PluginHealth.Breaker = .init(),
        counters: Counters = Counters()
    ) {
        self.name = name
        self.plugin = plugin
        self.timeLimit = timeLimit
        self.timeLimits = timeLimits
        self.onFailure = onFailure
        self.health = PluginHealth(breaker, plugin: name)
        self.counters = counters
    }
}

/// One plugin's part in one stage.
///
/// A class, so that a chain that goes through its plugins copies none of them.
@usableFromInline
package final class Hooked<Hook: Sendable>: Sendable {
    @usableFromInline package let hook: Hook
    @usableFromInline let place: HookPlace

    @inlinable package var name: String { self.place.name }
    @inlinable package var timeLimit: Duration { self.place.timeLimit }
    @inlinable package var onFailure: FailurePolicy { self.place.onFailure }
    @inlinable var health: PluginHealth { self.place.health }

    init(hook: Hook, place: HookPlace) {
        self.hook = hook
        self.place = place
    }
}

/// What is the same for a plugin's hook whatever its type.
@usableFromInline
final class HookPlace: Sendable {
    @usableFromInline let name: String
    @usableFromInline let stage: Stage
    @usableFromInline let timeLimit: Duration
    @usableFromInline let onFailure: FailurePolicy
    @usableFromInline let health: PluginHealth
    /// Whether the plugin has ever waited for something here, and so may again.
    @usableFromInline let hasWaited = Atomic<Bool>(false)

    init(_ entry: ConfiguredPlugin, _ stage: Stage) {
        self.name = entry.name
        self.stage = stage
        self.timeLimit = entry.timeLimits[stage] ?? entry.timeLimit
        // What cannot fail anything is told to the others, whoever fails.
        self.onFailure = stage.isObserving ? .ignore : entry.onFailure
        self.health = entry.health
    }
}

/// A resolver, and which one of the chain it is: who answers for an alias leaves its target to those behind.
package struct PlacedResolver: Sendable {
    package let hook: any RecipientResolver
    /// From 0.
    package let position: Int
}

/// The plugins of each stage, in configuration order.
///
/// A stage that nobody listens to is an empty array and costs nothing.
package struct HookChains: Sendable {
    package let connect: [Hooked<any ConnectHook>]
    package let tls: [Hooked<any TLSHook>]
    package let hello: [Hooked<any HelloHook>]
    package let authentication: [Hooked<any AuthenticationHook>]
    package let sender: [Hooked<any SenderHook>]
    package let resolver: [Hooked<PlacedResolver>]
    package let recipient: [Hooked<any RecipientHook>]
    package let data: [Hooked<any DataHook>]
    package let header: [Hooked<any HeaderHook>]
    package let message: [Hooked<any MessageHook>]
    package let recipientMessage: [Hooked<any RecipientMessageHook>]
    package let route: [Hooked<any RouteHook>]
    package let queued: [Hooked<any QueuedHook>]
    package let disconnect: [Hooked<any DisconnectHook>]
    package let delivery: [Hooked<any DeliveryHook>]
    package let deliveryOutcome: [Hooked<any DeliveryOutcomeHook>]
    /// Where sessions tell what happens; `nil` where nobody observes.
    package let observers: EventFan?

    /// Sorts plugins into the stages that they take part in.
    package init(_ plugins: [ConfiguredPlugin] = []) {
        func stage<Hook: Sendable>(_ stage: Stage, _ cast: (any HubPlugin) -> Hook?) -> [Hooked<Hook>] {
            plugins.compactMap { entry in
                guard !entry.plugin.idleStages.contains(stage) else { return nil }
                return cast(entry.plugin).map { hook in
                    Hooked(hook: hook, place: HookPlace(entry, stage))
                }
            }
        }
        self.connect = stage(.connect) { $0 as? any ConnectHook }
        self.tls = stage(.tls) { $0 as? any TLSHook }
        self.hello = stage(.hello) { $0 as? any HelloHook }
        self.authentication = stage(.authentication) { $0 as? any AuthenticationHook }
        self.sender = stage(.sender) { $0 as? any SenderHook }
        var resolvers = 0
        self.resolver = stage(.resolver) { plugin in
            guard let hook = plugin as? any RecipientResolver else { return nil }
            defer { resolvers += 1 }
            return PlacedResolver(hook: hook, position: resolvers)
        }
        self.recipient = stage(.recipient) { $0 as? any RecipientHook }
        self.data = stage(.data) { $0 as? any DataHook }
        self.header = stage(.header) { $0 as? any HeaderHook }
        self.message = stage(.message) { $0 as? any MessageHook }
        self.recipientMessage = stage(.recipientMessage) { $0 as? any RecipientMessageHook }
        self.route = stage(.route) { $0 as? any RouteHook }
        self.queued = stage(.queued) { $0 as? any QueuedHook }
        self.disconnect = stage(.disconnect) { $0 as? any DisconnectHook }
        self.delivery = stage(.delivery) { $0 as? any DeliveryHook }
        self.deliveryOutcome = stage(.deliveryOutcome) { $0 as? any DeliveryOutcomeHook }
        let observers = plugins.filter { !$0.plugin.idleStages.contains(.observer) }
            .compactMap { $0.plugin as? any SessionObserver }
        self.observers = observers.isEmpty ? nil : EventFan(observers)
    }

    /// Whether anybody looks at contents at the end of data.
    package var wantsMessages: Bool {
        !self.header.isEmpty || !self.message.isEmpty || !self.recipientMessage.isEmpty
    }
}
