package import NIOCore

/// The executor of an actor that lives on an event loop.
///
/// Not the loop's own: that one runs jobs as if no task had a preference, and where a task has one, each `await` of the actor would
/// go once more through the queue of the loop, since the executor it runs on is not the one that it prefers.
package final class EventLoopActorExecutor: SerialExecutor {
    package let eventLoop: any EventLoop
    /// What the tasks that the actor serves prefer.
    package let taskExecutor: EventLoopTaskExecutor

    package init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        self.taskExecutor = EventLoopTaskExecutor(eventLoop)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let executor = unsafe self.asUnownedSerialExecutor()
        let taskExecutor = unsafe self.taskExecutor.asUnownedTaskExecutor()
        self.eventLoop.execute { unsafe unowned.runSynchronously(isolatedTo: executor, taskExecutor: taskExecutor) }
    }

    package func isIsolatingCurrentContext() -> Bool? { self.eventLoop.inEventLoop }

    package func checkIsolated() { self.eventLoop.preconditionInEventLoop() }
}
