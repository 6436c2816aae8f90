import InternetMessage
import MailHubPlugin

/// Looks at every answer of a plugin.
struct Witness: Sendable {
    let situation: String
    /// Whether a hook may throw: what it needs is down, or nobody waits for its answer.
    let mayFail: Bool
    let findings: Findings

    func found(_ problem: String) { self.findings.add(self.situation, problem) }

    /// Calls a hook.
    func call<Outcome>(_ stage: Stage, _ body: () async throws -> Outcome) async throws -> Outcome {
        do {
            return try await body()
        } catch {
            if !self.mayFail { self.found("\(stage.rawValue): threw \(type(of: error)): \(error)") }
            throw error
        }
    }

    func check(_ stage: Stage, _ reply: Reply, _ classes: [ReplyClass]) {
        if !classes.contains(reply.code.replyClass) {
            self.found("\(stage.rawValue): a reply of the wrong class: \(reply)")
        }
        if reply.text.isEmpty { self.found("\(stage.rawValue): a reply without a text: \(reply)") }
        if reply.text.utf8.count > 400 { self.found("\(stage.rawValue): a reply of more than 400 octets: \(reply)") }
        if reply.text.utf8.contains(where: { !(0x20...0x7E).contains($0) }) {
            self.found("\(stage.rawValue): a reply with more than printable ASCII: \(reply)")
        }
    }

    func check(_ stage: Stage, writes target: EditTarget, _ plugin: any HubPlugin) {
        if !plugin.edits.contains(target) {
            self.found("\(stage.rawValue): changes \(target), which its `edits` do not declare")
        }
    }

    func check(_ stage: Stage, _ edit: HeaderEdit, _ plugin: any HubPlugin) {
        let name =
            switch edit {
            case .prepend(let name, _), .append(let name, _), .replace(let name, _), .remove(let name),
                .replaceOne(let name, _, _), .removeOne(let name, _):
                name
            }
        self.check(stage, writes: .headerField(name.lowercased()), plugin)
        var section = HeaderSection()
        do {
            try section.apply(edit)
        } catch {
            self.found("\(stage.rawValue): an edit that cannot be applied: \(error)")
        }
    }

    func check(_ stage: Stage, _ edits: [MessageEdit], _ plugin: any HubPlugin) {
        for edit in edits {
            switch edit {
            case .header(let edit): self.check(stage, edit, plugin)
            case .replaceBody: self.check(stage, writes: .body, plugin)
            }
        }
    }

    func check(_ stage: Stage, _ edits: [RecipientEdit], _ plugin: any HubPlugin) {
        for edit in edits {
            switch edit {
            case .replace, .add, .drop, .expand: self.check(stage, writes: .recipients, plugin)
            case .route, .routeMembers: self.check(stage, writes: .route, plugin)
            case .limitSize(let size): if size < 0 { self.found("\(stage.rawValue): a size limit below 0") }
            }
        }
    }

    func check(_ stage: Stage, _ outcome: MessageOutcome, _ plugin: any HubPlugin) {
        switch outcome {
        case .change(let edits): self.check(stage, edits, plugin)
        case .reject(let reply): self.check(stage, reply, [.permanentFailure])
        case .defer(let reply): self.check(stage, reply, [.transientFailure])
        case .disconnect(let reply): self.check(stage, reply, [.permanentFailure, .transientFailure])
        case .next, .accept, .discard, .hold: break
        }
    }
}
