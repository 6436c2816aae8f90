package import MailQueue
package import SMTP

/// The queue, as the dispatcher sees it.
package protocol DeliverySource: Sendable {
    /// Destinations with due work that no present worker is going to take. Duplicates are harmless.
    var readyDestinations: AsyncStream<Destination> { get }

    /// The next job of a destination; `nil` where none is due now.
    func nextJob(for destination: Destination) async -> DeliveryJob?

    /// The next job, waiting up to `idle` for one.
    func nextJob(for destination: Destination, waitingUpTo idle: Duration) async -> DeliveryJob?

    /// Sends away the worker that has waited longest for a job: another destination wants its place.
    func dismissIdleWorker()

    /// Sends away all workers that wait for a job, and those that come: no more jobs are wanted.
    func dismissWaitingWorkers()

    /// Takes what became of each recipient of a job.
    func finish(_ job: DeliveryJob, _ reports: [RecipientReport]) async

    /// Takes back a job that was not attempted.
    func giveBack(_ job: DeliveryJob) async

    /// The destination cannot be reached: counts as an attempt for all that waits there (RFC 5321 section 4.5.4.1).
    func destinationFailed(_ destination: Destination, reply: Reply, host: String?, permanent: Bool) async
}

extension MailQueue: DeliverySource {}
