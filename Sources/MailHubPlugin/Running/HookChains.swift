/// What happens when a plugin throws or outlives its time limit.
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
    package let onFailure: FailurePolicy

    package init(name: String, plugin: any HubPlugin, timeLimit: Duration, onFailure: FailurePolicy) {
        self.name = name
        self.plugin = plugin
        self.timeLimit = timeLimit
        self.onFailure = onFailure
    }
}

/// One plugin's part in one stage.
package struct Hooked<Hook: Sendable>: Sendable {
    package let name: String
    package let hook: Hook
    package let timeLimit: Duration
    package let onFailure: FailurePolicy
}

/// The plugins of each stage, in configuration order.
///
/// A stage that nobody listens to is an empty array and costs nothing.
package struct HookChains: Sendable {
    package let connect: [Hooked<any ConnectHook>]
    package let hello: [Hooked<any HelloHook>]
    package let sender: [Hooked<any SenderHook>]
    package let recipient: [Hooked<any RecipientHook>]
    package let resolver: [Hooked<any RecipientResolver>]
    package let data: [Hooked<any DataHook>]
    package let header: [Hooked<any HeaderHook>]
    package let message: [Hooked<any MessageHook>]
    package let queued: [Hooked<any QueuedHook>]
    package let disconnect: [Hooked<any DisconnectHook>]
    package let route: [Hooked<any RouteHook>]
    package let delivery: [Hooked<any DeliveryHook>]
    package let deliveryOutcome: [Hooked<any DeliveryOutcomeHook>]

    /// Sorts plugins into the stages that they conform to.
    package init(_ plugins: [ConfiguredPlugin] = []) {
        func stage<Hook: Sendable>(_ cast: (any HubPlugin) -> Hook?) -> [Hooked<Hook>] {
            plugins.compactMap { entry in
                cast(entry.plugin).map {
                    Hooked(name: entry.name, hook: $0, timeLimit: entry.timeLimit, onFailure: entry.onFailure)
                }
            }
        }
        self.connect = stage { $0 as? any ConnectHook }
        self.hello = stage { $0 as? any HelloHook }
        self.sender = stage { $0 as? any SenderHook }
        self.recipient = stage { $0 as? any RecipientHook }
        self.resolver = stage { $0 as? any RecipientResolver }
        self.data = stage { $0 as? any DataHook }
        self.header = stage { $0 as? any HeaderHook }
        self.message = stage { $0 as? any MessageHook }
        self.queued = stage { $0 as? any QueuedHook }
        self.disconnect = stage { $0 as? any DisconnectHook }
        self.route = stage { $0 as? any RouteHook }
        self.delivery = stage { $0 as? any DeliveryHook }
        self.deliveryOutcome = stage { $0 as? any DeliveryOutcomeHook }
    }
}
