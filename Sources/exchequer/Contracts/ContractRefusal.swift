import Chains
import Primitives

/// What became of a transaction, in words that say what to do.
enum ContractRefusal {
    /// The words of the contracts, and what they mean for whoever sent the call.
    private static let meanings = [
        // Roles.
        "not settler": "only a settler may (exchequer contracts roles show)",
        "not slasher": "only a slasher may (exchequer contracts roles show)",
        "not pauser": "only a pauser may (exchequer contracts roles show)",
        "not guardian": "only a guardian may (exchequer contracts roles show)",
        "not arbiter": "only an arbiter may (exchequer contracts roles show)",
        "not owner": "only the contract's owner may",
        "not candidate": "only the account that was offered the contract may take it",
        "not accused": "only the provider whose bond the slash takes may, while the slash waits",
        "nothing scheduled": "no change of this account's roles waits",
        // How the contract stands.
        "paused":
            "its entries are closed until its owner opens them (contracts unpause), 30 days at most",
        "not paused": "its entries are open",
        "abandoned": "the house was declared abandoned: only exits are open, for good",
        "too early":
            "its delay is not over, or a pause has ended by itself less than 30 days ago "
            + "(exchequer contracts show)",
        "too late": "its time is over (exchequer contracts show)",
        // Roots and claims.
        "no root waiting": "no root of this batch waits (exchequer contracts show)",
        "root waiting": "another root waits still",
        "another root": "another root waits than the one that was told",
        "underfunded": "the vault does not hold what the root promises",
        "bad proof": "the proof does not lead to the root that pays: get a newer one",
        "nothing to claim": "everything of it was paid before",
        // Bonds and slashes.
        "no bond": "the provider has no bond left",
        "exceeds bond": "the bond is smaller",
        "nothing matured": "no part of the bond is out of its delay and free",
        "too many unbondings": "16 requests wait already: take out first what is due",
        "no slash waiting": "no slash of this verdict waits (exchequer contracts show)",
        "appealed": "it was appealed before, which counts once",
        // The token's, as Circle's USDC says them.
        "ERC20: transfer amount exceeds balance": "the account does not hold so many dollars",
        "ERC20: transfer amount exceeds allowance": "the contract has no leave to take so much",
        "FiatTokenV2: authorization is used or canceled":
            "the authorization counted before: look for its deposit",
        "FiatTokenV2: authorization is expired": "have its signer sign a new one",
        "FiatTokenV2: authorization is not yet valid": "it counts later",
        "FiatTokenV2: invalid signature": "it is not signed by its account, or changed since",
    ]

    /// A failure in one sentence without its full stop: what happened, and what to do.
    static func text(_ failure: TransactionFailure) -> String {
        switch failure {
        case .notSent(.reverted(let words)):
            "the contract refuses it: \(meaning(words)); nothing was sent"
        case .reverted(let words, let receipt):
            "the contract refused it: \(meaning(words)); transaction 0x\(receipt.transaction.hex) "
                + "cost its gas and did nothing else"
        case .notSent(.notSigned(let why)): "\(why); nothing was sent"
        case .notSent(let error): "\(error); nothing was sent"
        case .refused(let code, let message): "the node refuses it: \(message) (\(code))"
        case .replaced: "another transaction of this key took its place"
        }
    }

    private static func meaning(_ words: String) -> String {
        meanings[words].map { "\(words): \($0)" } ?? words
    }
}
