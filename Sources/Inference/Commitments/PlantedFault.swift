public import Verification

/// A wrong result planted into a trace, to see the game find it: 1 is added to the first number an
/// operation gives at one position, or the token after the right one is chosen. What follows is
/// computed from it.
public struct PlantedFault: Hashable, Sendable {
    /// The step of the stage.
    public let step: StageStep
    /// The position.
    public let position: Int
    /// The operation.
    public let operation: StageOperation

    /// A fault at a place.
    public init(step: StageStep, position: Int, operation: StageOperation) {
        self.step = step
        self.position = position
        self.operation = operation
    }

    /// Whether what the cache holds is wrong, and so all positions from this one on.
    var spoilsCache: Bool {
        operation == .embed || OperationUnit.cache.operations.contains(operation)
    }

    func isAt(_ step: StageStep, _ position: Int, _ operation: StageOperation) -> Bool {
        self == PlantedFault(step: step, position: position, operation: operation)
    }
}
