import Administration
import ArgumentParser

/// The command `mailhub reload`.
struct Reload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes the running hub read its config.json again.",
        discussion: """
            What has changed is in force for new sessions and new deliveries; nothing is interrupted. A configuration \
            with problems changes nothing: they are listed, and the status is 1. What can only change with a restart \
            is listed too.

            EXAMPLE:
              mailhub check && mailhub reload
            """
    )

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await self.connection.ask(.reload) { response in
            guard case .reloaded(let report) = response else { return }
            if report.applied.isEmpty && report.needsRestart.isEmpty { Output.print("nothing has changed") }
            for path in report.applied { Output.print("in force:           \(Terminal.harmless(path))") }
            for path in report.needsRestart { Output.print("needs a restart:    \(Terminal.harmless(path))") }
        }
    }
}
