package import MailHubPlugin
import Glibc
import InternetMessage
package import MailQueue
import NIOCore
package import NIOPosix
import SMTP
import Synchronization

/// Final delivery into Maildirs: `DIRECTORY/domain/local-part/{tmp,new,cur}`.
///
/// Folder names are lower case, and octets that could mean something to a file system are percent-encoded. The content is
/// stored as it came, CRLF included, with one Return-Path on top (RFC 5321 section 4.4).
package struct MaildirTransport: Transport {
    private let directory: String
    private let hostname: String
    private let content: ContentDirectory
    private let pool: NIOThreadPool
    private let sweeps = MaildirSweeps()

    package init(directory: String, hostname: String, content: ContentDirectory, pool: NIOThreadPool) {
        self.directory = directory
        self.hostname = hostname
        self.content = content
        self.pool = pool
    }

    package func open(
        _ destination: Destination,
        on executor: EventLoopActorExecutor
    ) async throws(TransportFailure) -> any TransportSession {
        MaildirSession(
            directory: self.directory,
            hostname: self.hostname,
            content: self.content,
            pool: self.pool,
            sweeps: self.sweeps
        )
    }
}

private struct MaildirSession: TransportSession {
    let directory: String
    let hostname: String
    let content: ContentDirectory
    let pool: NIOThreadPool
    let sweeps: MaildirSweeps

    var isReusable: Bool { true }

    func close() async {}

    func deliver(_ job: DeliveryJob) async -> [RecipientReport] {
        var reports: [RecipientReport] = []
        for recipient in job.recipients {
            reports.append(await self.deliver(job, to: recipient))
        }
        return reports
    }

    private func deliver(_ job: DeliveryJob, to recipient: QueuedRecipient) async -> RecipientReport {
        let folder = MaildirName.folder(of: recipient.recipient.mailbox, below: self.directory)
        let name = MaildirName.unique(host: self.hostname)
        let path = recipient.recipient.reversePath ?? job.envelope.reversePath
        do {
            let delivery = try await self.pool.runIfActive {
                self.sweeps.sweep(folder)
                return try MaildirDelivery(folder: folder, name: name)
            }
            do {
                try await self.write(job, path, to: delivery)
                try await self.pool.runIfActive { try delivery.commit() }
            } catch {
                try await self.pool.runIfActive { delivery.abandon() }
                throw error
            }
            let reply = Reply(250, .init(0, 0), "Delivered to the mailbox")
            return RecipientReport(index: recipient.index, result: .delivered, reply: reply, host: nil)
        } catch {
            return RecipientReport(index: recipient.index, result: .deferred, reply: Self.reply(to: error), host: nil)
        }
    }

    private func write(_ job: DeliveryJob, _ path: ReversePath, to delivery: MaildirDelivery) async throws {
        let head = try await self.content.prefix(of: job.content, upTo: HeaderSection.mostOctets)
        var header = HeaderSection(parsing: head)
        let length = header.length
        header.setReturnPath(path)
        var start = ByteBuffer()
        header.write(into: &start)
        if case .inline = job.content,
            let body = head.getSlice(at: head.readerIndex + length, length: head.readableBytes - length)
        {
            start.writeImmutableBuffer(body)
            return try await self.pool.runIfActive { [start] in try delivery.write(start) }
        }
        try await self.pool.runIfActive { [start] in try delivery.write(start) }
        try await self.content.forEachPiece(of: job.content, skipping: length) { (piece) async throws(any Error) in
            try await self.pool.runIfActive { try delivery.write(piece) }
        }
    }

    /// What is written into the queue and, if it never works, into the notification: no names of ours.
    private static func reply(to error: any Error) -> Reply {
        switch (error as? MaildirFailure)?.code {
        case ENOSPC: Reply(452, .init(3, 1), "Not enough space")
        case EDQUOT: Reply(452, .init(2, 2), "The mailbox is full")
        default: Reply(451, .init(3, 0), "The mailbox cannot be written now")
        }
    }
}

/// A system call that failed.
struct MaildirFailure: Error {
    let code: Int32
}

/// Names of folders and files.
enum MaildirName {
    private static let counter = Atomic<UInt64>(0)

    static func folder(of mailbox: Mailbox, below directory: String) -> String {
        let host: String =
            switch mailbox.host {
            case .domain(let domain): domain.canonical
            case .literal(let literal): literal.description
            }
        return "\(directory)/\(self.escaped(host))/\(self.escaped(mailbox.localPart.value.lowercased()))"
    }

    /// Letters, digits and a few signs stay; a leading dot does not, so that no name is hidden or leads elsewhere.
    ///
    /// Nothing is cut off: two mailboxes never share a folder.
    static func escaped(_ text: String) -> String {
        var result = ""
        for (index, byte) in text.lowercased().utf8.enumerated() {
            let isPlain =
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
                    UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: "-"):
                    true
                case UInt8(ascii: "."): index > 0
                default: false
                }
            if isPlain {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let hex = String(byte, radix: 16)
                result += "%" + (hex.utf8.count == 1 ? "0" : "") + hex
            }
        }
        return result
    }

    /// A name that no other delivery has: time, process and a counter.
    static func unique(host: String) -> String {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        let serial = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        return "\(time.tv_sec).M\(time.tv_nsec / 1000)P\(getpid())Q\(serial).\(self.escaped(host).prefix(180))"
    }
}

/// One file on its way from `tmp` to `new`; all calls block, and are made on the thread pool.
final class MaildirDelivery: Sendable {
    private let folder: String
    private let name: String
    let descriptor: Int32

    init(folder: String, name: String) throws(MaildirFailure) {
        self.folder = folder
        self.name = name
        var descriptor = unsafe open("\(folder)/tmp/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor < 0, errno == ENOENT {
            try Self.makeMaildir(folder)
            descriptor = unsafe open("\(folder)/tmp/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        }
        guard descriptor >= 0 else { throw MaildirFailure(code: errno) }
        self.descriptor = descriptor
    }

    /// Makes the folders; `tmp` is the last, so that where it exists, nothing is missing, whenever the making was interrupted.
    private static func makeMaildir(_ folder: String) throws(MaildirFailure) {
        var path = folder.hasPrefix("/") ? "" : "."
        for part in folder.split(separator: "/") {
            try Self.makeFolder(String(part), in: path.isEmpty ? "/" : path)
            path += "/\(part)"
        }
        for part in ["new", "cur", "tmp"] { try Self.makeFolder(part, in: folder) }
    }

    /// Makes a folder, and makes its name durable: a message is worth nothing in a folder that a power failure takes back.
    private static func makeFolder(_ name: String, in parent: String) throws(MaildirFailure) {
        guard unsafe mkdir("\(parent)/\(name)", 0o700) == 0 else {
            guard errno == EEXIST else { throw MaildirFailure(code: errno) }
            return
        }
        try Self.sync(folder: parent)
    }

    private static func sync(folder: String) throws(MaildirFailure) {
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw MaildirFailure(code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw MaildirFailure(code: errno) }
    }

    func write(_ buffer: ByteBuffer) throws(MaildirFailure) {
        var rest = buffer
        while rest.readableBytes > 0 {
            let count = unsafe rest.withUnsafeReadableBytes { bytes in
                unsafe Glibc.write(self.descriptor, bytes.baseAddress, bytes.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw MaildirFailure(code: errno) }
            rest.moveReaderIndex(forwardBy: count)
        }
    }

    /// Makes the message visible: synced, and its name synced.
    func commit() throws(MaildirFailure) {
        guard fsync(self.descriptor) == 0 else { throw MaildirFailure(code: errno) }
        guard unsafe rename("\(self.folder)/tmp/\(self.name)", "\(self.folder)/new/\(self.name)") == 0 else {
            throw MaildirFailure(code: errno)
        }
        try Self.sync(folder: "\(self.folder)/new")
    }

    func abandon() {
        unsafe unlink("\(self.folder)/tmp/\(self.name)")
    }

    deinit { close(self.descriptor) }
}
