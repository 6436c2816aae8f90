package import SMTP

extension MailQueue {
    /// The recipients of one message that are due at a destination: at most 1000; `nil` when there are none now.
    package func nextJob(for destination: Destination) async -> DeliveryJob? { nil }

    /// Like `nextJob(for:)`, but waits for work: workers are served in the order in which they came.
    ///
    /// - Returns: `nil` after `idle`, on cancellation, and when the queue ends.
    package func nextJob(for destination: Destination, waitingUpTo idle: Duration) async -> DeliveryJob? { nil }

    /// Takes what became of a job's recipients. Returns before it is durable; until then nobody else gets them.
    package func finish(_ job: DeliveryJob, _ reports: [RecipientReport]) async {}

    /// Takes back a job that was not attempted: it is due again at once, and no attempt is counted.
    package func giveBack(_ job: DeliveryJob) async {}

    /// Counts an attempt for every recipient that waits at a destination which cannot be reached.
    ///
    /// - Parameter permanent: whether they fail, rather than wait again.
    package func destinationFailed(_ destination: Destination, reply: Reply, host: String?, permanent: Bool) async {}
}
