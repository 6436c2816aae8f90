public import NIOCore

/// Lets a task's code that belongs to no actor run on an event loop, so that it stays on the thread of its connection.
@usableFromInline
package final class EventLoopTaskExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    @usableFromInline
    package init(_ eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    @usableFromInline
    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        let executor = unsafe self.asUnownedTaskExecutor()
        self.eventLoop.execute { unsafe unowned.runSynchronously(on: executor) }
    }
}
