/// A plugin with work of its own beside the sessions: to refresh a cache, to sweep old state.
public protocol PluginTask: HubPlugin {
    /// Called once, when the hub has started; runs until it is cancelled, at shutdown or when a reload replaces the plugin.
    ///
    /// An error is logged, and the work begins again after a pause.
    func run() async throws
}
