import ArgumentParser

/// The command `mailhub queue`.
struct QueueCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "queue",
        abstract: "Shows and changes what is queued in the running hub.",
        discussion: """
            EXAMPLES:
              mailhub queue list --state held
              mailhub queue show 1kq8z0v4c0000
              mailhub queue retry --destination internet/example.net
              mailhub queue hold --sender newsletter@ --reason "asking the owner"
              mailhub queue delete 1kq8z0v4c0000
              mailhub queue suspend internet/example.net
            """,
        subcommands: [
            QueueList.self, QueueShow.self, QueueRetry.self, QueueHold.self, QueueRelease.self, QueueDelete.self,
            QueueSuspend.self, QueueResume.self,
        ]
    )
}
