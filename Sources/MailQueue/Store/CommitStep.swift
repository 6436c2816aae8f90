/// The named steps between a message's end and its acknowledgement: crash tests stop the process at each of them.
package enum CommitStep: String, Hashable, Sendable, CaseIterable {
    /// A content file is complete, not yet synced.
    case contentWritten
    /// A content file and its directory are synced.
    case contentSynced
    /// A transaction is open.
    case transactionBegun
    /// All operations of the transaction are done.
    case beforeCommit
    /// The transaction is durable; nobody has been told.
    case afterCommit
    /// Everybody who waited for the transaction was told.
    case acknowledged
    /// Content files of removed messages are unlinked.
    case contentUnlinked
}

/// Called at every `CommitStep`, on the thread that does the step.
package typealias CommitStepObserver = @Sendable (CommitStep) -> Void
