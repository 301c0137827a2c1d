import Chains
import Logging
import Primitives

/// What the chain tells that a person should know of.
extension SettlementService {
    /// What a person should know of when it happens.
    func tell(_ event: ChainEvent) {
        switch event {
        case .rootDisputed(let batch, let guardian, let reason):
            log.critical(
                """
                a guardian disputed a root: nobody is paid by it, and no batch is cut or sent \
                until a person has had it replaced
                """,
                metadata: [
                    "batch": "\(batch)", "guardian": "\(guardian.hex)", "reason": "\(reason.hex)",
                ])
        case .slashVetoed(let verdict, let arbiter):
            log.critical(
                "an arbiter vetoed a slash: the bond is the provider's again",
                metadata: ["verdict": "\(verdict.hex)", "arbiter": "\(arbiter.hex)"])
        case .slashLapsed(let verdict):
            log.critical(
                "a slash was not executed in time: the bond is the provider's again",
                metadata: ["verdict": "\(verdict.hex)"])
        case .abandoned(let account):
            log.critical(
                """
                the house was declared abandoned: the contract takes no deposit, bond, root or \
                slash any more
                """,
                metadata: ["by": "\(account.hex)"])
        case .slashAppealed(let provider, let verdict, let end):
            log.error(
                "the accused objects on chain to a slash: an arbiter may veto it until then",
                metadata: [
                    "provider": "\(provider.hex)", "verdict": "\(verdict.hex)", "until": "\(end)",
                ])
        case .administered(let event): tell(event)
        default: return
        }
    }

    private func tell(_ event: AdministrationEvent) {
        func names(_ bits: UInt64) -> String {
            SettlementContract.roleNames(bits).joined(separator: ",")
        }
        switch event {
        case .rolesScheduled(let account, 0, 0, _):
            log.notice(
                "a change of roles on the contract was called off",
                metadata: ["account": "\(account.hex)"])
        case .rolesScheduled(let account, let granted, let revoked, let moment):
            log.critical(
                "roles on the contract are to change: who did not mean it cancels it before then",
                metadata: [
                    "account": "\(account.hex)", "granted": "\(names(granted))",
                    "revoked": "\(names(revoked))", "from": "\(moment)",
                ])
        case .rolesChanged(let account, let roles):
            log.notice(
                "roles on the contract have changed",
                metadata: ["account": "\(account.hex)", "roles": "\(names(roles))"])
        case .ownershipOffered(let owner, .zero):
            log.notice(
                "the contract is offered to nobody any more", metadata: ["owner": "\(owner.hex)"])
        case .ownershipOffered(let owner, let candidate):
            log.critical(
                "the contract is offered to another owner",
                metadata: ["owner": "\(owner.hex)", "candidate": "\(candidate.hex)"])
        case .ownershipTransferred(let before, let now):
            // The first owner is whoever deployed it.
            log.log(
                level: before == .zero ? .notice : .critical, "the contract has another owner",
                metadata: ["before": "\(before.hex)", "now": "\(now.hex)"])
        case .paused(let account):
            log.critical(
                "the contract is paused: it takes no deposit, bond or root",
                metadata: ["by": "\(account.hex)"])
        case .unpaused(let account):
            log.notice("the contract is open again", metadata: ["by": "\(account.hex)"])
        }
    }
}
