import MailHubPlugin

extension TestHub {
    /// Runs what plugins do beside the sessions while `body` runs: `SessionObserver`s and `PluginTask`s.
    ///
    /// Behind that observers see the end of their stream, and tasks are cancelled. Once for each hub.
    ///
    /// - Throws: what `body` throws; what a task throws is thrown away, as the hub would only log it.
    public func running<Result: Sendable>(
        _ body: () async throws -> Result
    ) async rethrows -> Result {
        let (plugins, observers) = (self.plugins, self.hooks.observers)
        let work = Task {  // ended and awaited below
            await withDiscardingTaskGroup { group in
                for plugin in plugins {
                    guard let task = plugin as? any PluginTask else { continue }
                    group.addTask { try? await task.run() }
                }
            }
        }
        let watching = Task { await observers?.streams.run() }  // ends with its streams; awaited below
        func end() async {
            work.cancel()
            observers?.finish()
            await work.value
            await watching.value
        }
        do {
            let result = try await body()
            await end()
            return result
        } catch {
            await end()
            throw error
        }
    }
}
