import Cryptography
public import Primitives

/// What ties a signature to one token on one chain: the token's EIP-712 domain.
public struct TokenDomain: Hashable, Sendable {
    /// The token's name, as its domain has it.
    public let name: String
    /// The version of its signatures.
    public let version: String
    /// The chain.
    public let chainID: UInt64
    /// The token.
    public let token: EVMAddress

    /// A domain of these parts.
    public init(name: String, version: String, chainID: UInt64, token: EVMAddress) {
        self.name = name
        self.version = version
        self.chainID = chainID
        self.token = token
    }

    /// The hash of the domain.
    public var separator: Digest {
        EIP712.domainSeparator(name: name, version: version, chainID: chainID, contract: token)
    }
}

/// Leave for one account to fetch an amount of a token, once (EIP-3009
/// `ReceiveWithAuthorization`). Only the receiver can use it; whoever saw it cannot.
public struct ReceiveAuthorization: Hashable, Sendable {
    /// Who pays, and signs.
    public let from: EVMAddress
    /// Who is paid, and alone may fetch it.
    public let to: EVMAddress
    /// How much, in chain units.
    public let amount: UInt128
    /// The Unix second after which it counts.
    public let validAfter: UInt64
    /// The Unix second before which it counts.
    public let validBefore: UInt64
    /// Its name, which counts once for its signer.
    public let nonce: Digest

    private static let type =
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,"
        + "uint256 validBefore,bytes32 nonce)"

    /// An authorization of these parts.
    public init(
        from: EVMAddress, to: EVMAddress, amount: UInt128, validAfter: UInt64,
        validBefore: UInt64, nonce: Digest
    ) {
        self.from = from
        self.to = to
        self.amount = amount
        self.validAfter = validAfter
        self.validBefore = validBefore
        self.nonce = nonce
    }

    /// What is signed, in the token's domain.
    public func digest(in domain: TokenDomain) -> Digest {
        EIP712.digest(
            domain: domain.separator,
            structHash: EIP712.structHash(
                type: Self.type,
                words: [
                    from.word, to.word, EIP712.word(amount), EIP712.word(UInt128(validAfter)),
                    EIP712.word(UInt128(validBefore)), nonce,
                ]))
    }

    /// As a contract takes it that fetches it for itself: all but the receiver, then the signature.
    func arguments(_ signature: RecoverableSignature) -> [ABIValue] {
        [
            .address(from), .uint(amount), .uint(UInt128(validAfter)),
            .uint(UInt128(validBefore)), .bytes32(nonce),
        ] + signature.abi
    }
}

/// An allowance by signature (EIP-2612 `Permit`).
public struct TokenPermit: Hashable, Sendable {
    /// Whose tokens may be taken; signs.
    public let owner: EVMAddress
    /// Who may take them.
    public let spender: EVMAddress
    /// How many, in chain units.
    public let amount: UInt128
    /// How many permits of the owner's the token has taken.
    public let nonce: UInt128
    /// The last Unix second in which it counts.
    public let deadline: UInt64

    private static let type =
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"

    /// A permit of these parts.
    public init(
        owner: EVMAddress, spender: EVMAddress, amount: UInt128, nonce: UInt128, deadline: UInt64
    ) {
        self.owner = owner
        self.spender = spender
        self.amount = amount
        self.nonce = nonce
        self.deadline = deadline
    }

    /// What is signed, in the token's domain.
    public func digest(in domain: TokenDomain) -> Digest {
        EIP712.digest(
            domain: domain.separator,
            structHash: EIP712.structHash(
                type: Self.type,
                words: [
                    owner.word, spender.word, EIP712.word(amount), EIP712.word(nonce),
                    EIP712.word(UInt128(deadline)),
                ]))
    }

    /// As `depositWithPermit` takes it, with the signature.
    func arguments(_ signature: RecoverableSignature) -> [ABIValue] {
        [.uint(amount), .uint(UInt128(deadline))] + signature.abi
    }
}

extension RecoverableSignature {
    /// As contracts take it: v, r, s.
    fileprivate var abi: [ABIValue] {
        [.uint(UInt128(27 + recoveryID)), .bytes32(r), .bytes32(s)]
    }
}

extension TokenContract {
    /// The domain of the token's signatures, as far as it says its name and version. Throws
    /// `inconsistentNode` if the separator that the token has is of other parts: then a signature
    /// made here would be worthless, or count somewhere else.
    public func domain() async throws(ChainError) -> TokenDomain {
        let domain = TokenDomain(
            name: try await text("name"), version: try await text("version"),
            chainID: contract.chain.chainID, token: address)
        let separator = try await contract.readOne("DOMAIN_SEPARATOR") { value throws(ABIError) in
            try value.digest("DOMAIN_SEPARATOR")
        }
        guard separator == domain.separator else {
            throw .inconsistentNode(
                "the domain of the token \(address.hex) is not of its name, version and chain")
        }
        return domain
    }

    /// How many permits of an owner's the token has taken.
    public func permitNonce(of owner: EVMAddress) async throws(ChainError) -> UInt128 {
        try await contract.readOne("nonces", [.address(owner)]) { value throws(ABIError) in
            try value.uint128("nonces")
        }
    }

    private func text(_ getter: String) async throws(ChainError) -> String {
        try await contract.readOne(getter) { value throws(ABIError) in
            guard case .string(let text) = value else { throw .badArgument(getter) }
            return text
        }
    }
}
