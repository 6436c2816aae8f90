import Administration
import OAuth

extension HubConfiguration {
    /// Lets the users and keys of before take over what was read anew from the same files, and stay in force: sessions that were
    /// there before know them, and no user who is gone.
    mutating func keepCredentials(of old: HubConfiguration) async {
        if let known = old.authentication.accounts, let read = self.authentication.accounts, known.path == read.path {
            known.replace(with: read)
            self.authentication.accounts = known
        }
        if let known = old.tokens, let read = self.tokens, known.settings == read.settings {
            await known.replace(with: read)
            self.tokens = known
        }
    }
}

/// What a reload has to say about a new configuration: which parts are in force at once, and which after a restart.
struct ConfigurationChange {
    /// What the process was started with: some parts stay as they were then, however often it is reloaded.
    let atStart: HubConfiguration
    /// What was in force until now.
    let old: HubConfiguration
    let new: HubConfiguration

    var report: ReloadReport { ReloadReport(applied: self.applied, needsRestart: self.needsRestart) }

    /// JSON paths whose new value is in force.
    private var applied: [String] {
        let isDifferent = [
            ("$.hostname", self.old.host != self.new.host),
            ("$.postmaster", self.old.postmaster != self.new.postmaster),
            ("$.listeners", self.old.listeners != self.new.listeners),
            ("$.domains", self.old.domains != self.new.domains),
            ("$.relayNetworks", self.old.relayNetworks != self.new.relayNetworks),
            (
                "$.routes",
                self.old.routes != self.new.routes || self.old.routeTLS != self.new.routeTLS
                    || self.old.routeAuthentication != self.new.routeAuthentication
            ),
            ("$.defaultRoute", self.old.defaultRoute != self.new.defaultRoute),
            (
                "$.authentication",
                self.old.authentication != self.new.authentication
                    || self.old.tokens?.settings != self.new.tokens?.settings
            ),
            ("$.directory", self.old.directory != self.new.directory),
            ("$.throttles", self.old.throttles != self.new.throttles),
            ("$.delivery.timeouts", self.old.delivery.timeouts != self.new.delivery.timeouts),
            (
                "$.delivery.messagesPerConnection",
                self.old.delivery.messagesPerConnection != self.new.delivery.messagesPerConnection
            ),
            ("$.delivery.port", self.old.delivery.port != self.new.delivery.port),
            ("$.logging.level", self.old.logging.level != self.new.logging.level),
            // Made anew in any case: they may have read files.
            ("$.plugins", !self.old.plugins.isEmpty || !self.new.plugins.isEmpty),
        ]
        return isDifferent.filter(\.1).map(\.0)
    }

    /// JSON paths whose new value only a restart puts in force.
    private var needsRestart: [String] {
        let isDifferent = [
            ("$.queue", self.atStart.queue != self.new.queue),
            ("$.dns", self.atStart.dns != self.new.dns),
            ("$.tlsReports", self.atStart.tlsReports != self.new.tlsReports),
            ("$.mtaSTS", self.atStart.mtaSTS != self.new.mtaSTS),
            ("$.control.socket", self.atStart.controlSocket != self.new.controlSocket),
            ("$.eventLoops", self.atStart.eventLoops != self.new.eventLoops),
            ("$.shutdownGrace", self.atStart.shutdownGrace != self.new.shutdownGrace),
            ("$.logging.format", self.atStart.logging.format != self.new.logging.format),
            ("$.delivery.idleTimeout", self.atStart.delivery.idleTime != self.new.delivery.idleTime),
            ("$.delivery.maximumSessions", self.atStart.delivery.maximumSessions != self.new.delivery.maximumSessions),
        ]
        return isDifferent.filter(\.1).map(\.0)
    }
}
