import Administration
import ArgumentParser

/// How a command finds the hub that runs.
struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The control socket of the hub; default: what the configuration says.", valueName: "path")
    )
    var socket: String?

    @Option(help: ArgumentHelp("The configuration of the hub.", valueName: "file"))
    var config = "config.json"

    /// Asks the hub; what is wrong is told on standard error.
    ///
    /// - Throws: `ExitCode`: 69 when the hub cannot be reached, 1 when it could not do what it was asked.
    @discardableResult
    func ask(
        _ request: ControlRequest,
        receive: (ControlResponse) throws -> Void
    ) async throws -> ListingEnd {
        do {
            let path = try self.socket ?? controlSocketPath(config: self.config)
            return try await ControlClient(path: path).send(request, receive: receive)
        } catch let failure as ControlFailure {
            Output.complain(failure.text)
            throw ExitCode.failure
        } catch let error as ControlClientError {
            Output.complain(error.description)
            throw error.isUnreachable ? ExitCode.unreachable : ExitCode.failure
        } catch let error as UnreadableConfiguration {
            Output.complain(error.description)
            throw ExitCode.unreachable
        }
    }
}

extension ExitCode {
    /// EX_UNAVAILABLE of sysexits.h: no hub can be reached.
    static let unreachable = ExitCode(69)
}

extension ControlClientError {
    /// Whether the hub has not even been asked.
    fileprivate var isUnreachable: Bool {
        switch self {
        case .notRunning, .permissionDenied, .pathTooLong, .system: true
        case .incompleteAnswer, .notUnderstood: false
        }
    }
}
