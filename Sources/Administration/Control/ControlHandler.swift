/// What the control socket can have done: implemented where the hub is composed.
///
/// Each method may throw a `ControlFailure`, whose text the operator reads; of any other error the operator reads the
/// description. An operation that has begun runs to its end even when the operator disconnects.
package protocol ControlHandler: Sendable {
    /// How the hub is doing.
    func status() async throws -> HubStatus

    /// One page of a listing, oldest first.
    ///
    /// - Parameters:
    ///   - filter: which messages.
    ///   - limit: at most this many entries: 1 to `ControlServer.pageSize`.
    ///   - id: only messages after this one; `nil` for the first page.
    func queueList(_ filter: MessageFilter, limit: Int, after id: String?) async throws -> QueueEntryPage

    /// Everything about one message; `nil` when it is not queued.
    func queueShow(_ id: String) async throws -> QueueEntry?

    /// Makes waiting recipients due now; answers how many messages it was for.
    func queueRetry(_ selector: MessageSelector) async throws -> Int

    /// Holds messages back; answers how many.
    func queueHold(_ selector: MessageSelector, reason: String) async throws -> Int

    /// Ends a hold; answers of how many messages.
    func queueRelease(_ selector: MessageSelector) async throws -> Int

    /// Removes messages without notification; answers how many.
    func queueDelete(_ selector: MessageSelector) async throws -> Int

    /// Stops deliveries to destinations; answers how many were not stopped before.
    ///
    /// A destination that no route of the configuration leads to is a failure, and then none is stopped.
    func queueSuspend(_ destinations: [String]) async throws -> Int

    /// Lets deliveries to destinations go on, at once; answers how many of them were stopped or paused.
    func queueResume(_ destinations: [String]) async throws -> Int

    /// Reads config.json again; a configuration with problems changes nothing and is thrown as a failure that lists them.
    func reload() async throws -> ReloadReport

    /// Finds out what a delivery would do: a domain, or a host with a port behind a colon.
    func tlsTest(_ target: String) async throws -> TLSReport

    /// The reports on TLS that are yet to be sent, a line of JSON each; of one domain, or of all.
    func tlsReports(_ domain: String?) async throws -> PluginAnswer

    /// The plugins that run, in the order of config.json.
    func pluginList() async throws -> [PluginEntry]

    /// Asks or tells a plugin something.
    func pluginRun(_ name: String, _ request: PluginRequest) async throws -> PluginAnswer
}
