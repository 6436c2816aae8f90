@_exported public import InternetMessage
@_exported public import Logging
@_exported public import SMTP

/// A module that takes part in what the hub decides.
///
/// A plugin conforms to the stages that it cares about (`SenderHook`, `RecipientHook`, ...); a stage that nobody listens to
/// costs nothing. One value serves all sessions at once, so state belongs in an actor or behind a `Mutex`.
public protocol HubPlugin: Sendable {
    /// The name in `config.json`; by convention the type's name.
    static var name: String { get }

    /// Makes the plugin from its `"configuration"` in config.json.
    ///
    /// Read every key through the section; what is wrong there is collected by it and reported with its place. Keys that
    /// were not asked for are reported as unknown.
    ///
    /// - Throws: where the plugin cannot run; the hub does not start, and says why.
    init(configuration: ConfigurationSection, services: PluginServices) throws

    /// What the plugin, as it is configured, may change.
    ///
    /// For `mailhub check`, which tells of two plugins that write the same thing: the later one in config.json wins.
    var edits: Set<EditTarget> { get }

    /// Stages of its protocols that the plugin, as it is configured, sits out: it is not asked there, and costs nothing.
    var idleStages: Set<Stage> { get }
}

extension HubPlugin {
    /// The name of the type.
    public static var name: String { String(describing: Self.self) }

    /// Nothing.
    public var edits: Set<EditTarget> { [] }

    /// None.
    public var idleStages: Set<Stage> { [] }
}
