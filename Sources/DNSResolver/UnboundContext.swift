import CUnbound
import Glibc
import Synchronization

/// The answer to one query, copied out of the library.
struct UnboundAnswer: Sendable {
    /// The data of the records asked for.
    let records: [[UInt8]]
    /// The name does not exist.
    let isNameMissing: Bool
    /// Validated by DNSSEC.
    let isSecure: Bool
    /// Where CNAME records led; `nil` where the name is no alias.
    let canonicalName: String?
}

/// Why there is no answer.
struct UnboundFailure: Error, CustomStringConvertible {
    let description: String
}

/// Owns one `ub_ctx *` and the thread that waits for its answers.
///
/// libunbound locks its context, so queries may be started on any thread; answers are taken on the one thread that calls
/// `ub_process`. A query is owned by the library until its callback runs or it is cancelled, both on that thread.
@safe final class UnboundContext: Sendable {
    /// A query under way.
    private final class Query: Sendable {
        private enum State {
            /// Nobody waits yet.
            case made
            case asked(CheckedContinuation<Result<UnboundAnswer, UnboundFailure>, Never>)
            case over(Result<UnboundAnswer, UnboundFailure>)
        }
        let owner: UnboundContext
        /// When it is given up, by `UnboundContext.now`; 0 where nobody waits any more.
        let deadline: Atomic<Int64>
        /// The library's number for it.
        let number = Atomic<Int32>(0)
        private let state = Mutex(State.made)

        init(_ owner: UnboundContext, limit: Duration) {
            self.owner = owner
            let (seconds, attoseconds) = limit.components
            self.deadline = Atomic(UnboundContext.now + max(seconds * 1000 + attoseconds / 1_000_000_000_000_000, 1))
        }

        /// Lets a caller wait.
        ///
        /// - Returns: whether the answer is still to come.
        func wait(_ continuation: CheckedContinuation<Result<UnboundAnswer, UnboundFailure>, Never>) -> Bool {
            let early = self.state.withLock { state -> Result<UnboundAnswer, UnboundFailure>? in
                if case .over(let result) = state { return result }
                state = .asked(continuation)
                return nil
            }
            if let early { continuation.resume(returning: early) }
            return early == nil
        }

        /// The first result counts.
        func resume(_ result: Result<UnboundAnswer, UnboundFailure>) {
            let before = self.state.withLock { state in
                defer { if case .over = state {} else { state = .over(result) } }
                return state
            }
            if case .asked(let continuation) = before { continuation.resume(returning: result) }
        }

        /// The caller is gone: the library is told at the next look at the clock.
        func cancel() {
            self.deadline.store(0, ordering: .relaxed)
            self.resume(.failure(UnboundFailure(description: "cancelled")))
        }
    }
    /// What the threads share: queries by the library's number.
    private struct Pending {
        var queries: [Int32: Query] = [:]
        var isOver = false
    }
    /// The most queries at a time.
    private static let mostQueries = 2000

    // Safe: set once, freed in deinit, which runs when neither a caller nor the thread holds a reference any more.
    private nonisolated(unsafe) let context: OpaquePointer
    private let pending = Mutex(Pending())

    /// Makes a context.
    ///
    /// - Parameters:
    ///   - servers: `address@port`; empty for those of the system.
    ///   - trustAnchorFile: the keys to validate with; `nil` for no validation.
    init(servers: [String], trustAnchorFile: String? = nil) throws(UnboundFailure) {
        guard let context = unsafe ub_ctx_create() else { throw UnboundFailure(description: "out of memory") }
        unsafe self.context = context
        if servers.isEmpty {
            try unsafe Self.check(ub_ctx_resolvconf(context, nil))
            _ = unsafe ub_ctx_hosts(context, nil)
        }
        for server in servers { try unsafe Self.check(ub_ctx_set_fwd(context, server)) }
        if let trustAnchorFile { try unsafe Self.check(ub_ctx_add_ta_file(context, trustAnchorFile)) }
        try unsafe Self.check(ub_ctx_async(context, 1))
        if !servers.isEmpty {
            // The library answers these zones by itself unless told not to; servers that were named are asked for everything.
            try unsafe Self.check(ub_ctx_set_option(context, "unblock-lan-zones:", "yes"))
            try unsafe Self.check(ub_ctx_set_option(context, "insecure-lan-zones:", "yes"))
            for zone in ["test.", "invalid.", "onion.", "home.arpa."] { _ = unsafe ub_ctx_zone_remove(context, zone) }
        }
    }

    deinit { unsafe ub_ctx_delete(self.context) }

    private static func check(_ code: Int32) throws(UnboundFailure) {
        guard code != 0 else { return }
        throw UnboundFailure(description: unsafe String(cString: ub_strerror(code)))
    }

    /// Reads a file of keys, which the library does at its first question only: one that it answers by itself.
    static func check(trustAnchorFile path: String) throws(UnboundFailure) {
        guard let context = unsafe ub_ctx_create() else { throw UnboundFailure(description: "out of memory") }
        defer { unsafe ub_ctx_delete(context) }
        unsafe ub_ctx_debugout(context, nil)
        try unsafe Self.check(ub_ctx_add_ta_file(context, path))
        var result: UnsafeMutablePointer<ub_result>?
        let code = unsafe ub_resolve(context, "localhost.", 1, 1, &result)
        unsafe ub_resolve_free(result)
        try Self.check(code)
    }

    // MARK: Queries

    /// Asks; the answer comes within the limit, or at once where the task is cancelled.
    func query(_ name: String, type: Int32, limit: Duration) async -> Result<UnboundAnswer, UnboundFailure> {
        let query = Query(self, limit: limit)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard query.wait(continuation) else { return }
                self.start(query, name, type)
            }
        } onCancel: {
            query.cancel()
        }
    }

    private func start(_ query: Query, _ name: String, _ type: Int32) {
        let reference = unsafe Unmanaged.passRetained(query)
        var number: Int32 = 0
        // An answer that comes at once waits for the lock, so that it finds the query noted.
        let failure: UnboundFailure? = self.pending.withLock { pending in
            guard !pending.isOver else { return UnboundFailure(description: "shut down") }
            guard pending.queries.count < Self.mostQueries else {
                return UnboundFailure(description: "too many look-ups")
            }
            do throws(UnboundFailure) {
                try unsafe Self.check(
                    ub_resolve_async(self.context, name, type, 1, reference.toOpaque(), answered, &number)
                )
            } catch {
                return error
            }
            query.number.store(number, ordering: .relaxed)
            pending.queries[number] = query
            return nil
        }
        guard let failure else { return }
        unsafe reference.release()
        query.resume(.failure(failure))
    }

    /// Waits for answers until `shutDown()`: the body of the one thread.
    func process() {
        while true {
            var descriptor = pollfd(fd: unsafe ub_fd(self.context), events: Int16(POLLIN), revents: 0)
            _ = unsafe poll(&descriptor, 1, 200)
            if descriptor.revents != 0 { _ = unsafe ub_process(self.context) }
            let (overdue, isOver) = self.takeOverdue()
            for (number, query) in overdue {
                // A cancelled query is not called back: its reference is ours again.
                if unsafe ub_cancel(self.context, number) == 0 { unsafe Unmanaged.passUnretained(query).release() }
                query.resume(.failure(UnboundFailure(description: isOver ? "shut down" : "no answer in time")))
            }
            if isOver { return }
        }
    }

    /// Ends the thread; queries under way fail.
    func shutDown() { self.pending.withLock { $0.isOver = true } }

    private func takeOverdue() -> (queries: [(Int32, Query)], isOver: Bool) {
        let now = Self.now
        return self.pending.withLock { pending in
            let overdue = pending.queries.filter { pending.isOver || $0.value.deadline.load(ordering: .relaxed) <= now }
            for number in overdue.keys { pending.queries[number] = nil }
            return (overdue.map { ($0.key, $0.value) }, pending.isOver)
        }
    }

    fileprivate static func finish(
        _ reference: UnsafeMutableRawPointer,
        _ result: Result<UnboundAnswer, UnboundFailure>
    ) {
        let query = unsafe Unmanaged<Query>.fromOpaque(reference).takeRetainedValue()
        // The number is read under the lock: before, an answer that comes at once would find none.
        query.owner.pending.withLock { $0.queries[query.number.load(ordering: .relaxed)] = nil }
        query.resume(result)
    }

    private static var now: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Called by the library on the thread in `process()`, once for each query that was not cancelled.
private func answered(_ reference: UnsafeMutableRawPointer?, _ code: Int32, _ result: UnsafeMutablePointer<ub_result>?)
{
    guard let reference = unsafe reference else { return }
    defer { unsafe ub_resolve_free(result) }
    guard code == 0, let result = unsafe result?.pointee else {
        let reason = code == 0 ? "no result" : unsafe String(cString: ub_strerror(code))
        return unsafe UnboundContext.finish(reference, .failure(UnboundFailure(description: reason)))
    }
    if unsafe result.bogus != 0 {
        return unsafe UnboundContext.finish(
            reference,
            .failure(UnboundFailure(description: "the answer fails DNSSEC validation"))
        )
    }
    // 0 is NOERROR, 3 is NXDOMAIN (RFC 1035 section 4.1.1); anything else is no answer.
    guard unsafe result.rcode == 0 || result.rcode == 3 else {
        let reason = unsafe "the server answered with code \(result.rcode)"
        return unsafe UnboundContext.finish(reference, .failure(UnboundFailure(description: reason)))
    }
    var records: [[UInt8]] = []
    if unsafe result.havedata != 0, let data = unsafe result.data, let lengths = unsafe result.len {
        var index = 0
        while let record = unsafe data[index] {
            let length = unsafe Int(lengths[index])
            records.append(unsafe Array(UnsafeRawBufferPointer(start: record, count: length)))
            index += 1
        }
    }
    let answer = unsafe UnboundAnswer(
        records: records,
        isNameMissing: result.nxdomain != 0,
        isSecure: result.secure != 0,
        canonicalName: unsafe result.canonname.flatMap { unsafe canonicalName(String(cString: $0)) }
    )
    unsafe UnboundContext.finish(reference, .success(answer))
}

/// In lower case, without the dot at the end; `nil` where that is no host name.
private func canonicalName(_ text: String) -> String? {
    let name = text.hasSuffix(".") ? text.dropLast() : text[...]
    guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }) else {
        return nil
    }
    return name.lowercased()
}
