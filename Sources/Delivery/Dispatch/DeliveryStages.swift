package import MailQueue
package import SMTP

/// What the delivery hooks make of a job.
package enum DeliveryPermission: Sendable {
    /// Deliver this: the job, or the job with another content.
    case deliver(DeliveryJob)
    /// Do not: 4yz defers the recipients, 5yz fails them.
    case refuse(Reply)
}

/// The plugins of the delivery stages, as the dispatcher sees them.
package protocol DeliveryStages: Sendable {
    /// Asked before each attempt.
    func willDeliver(_ job: DeliveryJob) async -> DeliveryPermission

    /// Told when a job that was changed has been sent: what was stored for it can go.
    func release(_ sent: DeliveryJob, original: DeliveryJob) async

    /// Told after each attempt.
    func delivered(_ job: DeliveryJob, _ reports: [RecipientReport]) async
}

/// No plugins.
package struct NoDeliveryStages: DeliveryStages {
    package init() {}
    package func willDeliver(_ job: DeliveryJob) async -> DeliveryPermission { .deliver(job) }
    package func release(_ sent: DeliveryJob, original: DeliveryJob) async {}
    package func delivered(_ job: DeliveryJob, _ reports: [RecipientReport]) async {}
}
