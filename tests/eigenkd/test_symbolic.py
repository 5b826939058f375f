"""Equations (3) and (5) derived from the differential equation, and the steps of the proof of Theorem 4.1, in SymPy."""

import sympy as sp

t, s, T, lam, y = sp.symbols("t s T lambda y", positive=True)
b = sp.Function("b")


def solve(target):
    """Gradient flow of (1/2)(sigma b - target)^2 from zero, along one singular direction with sigma = sqrt(lam)."""
    sigma = sp.sqrt(lam)
    return sp.dsolve(sp.Eq(b(t).diff(t), sigma * (target - sigma * b(t))), b(t), ics={b(0): 0}).rhs


def test_equations_3_and_5_follow_from_the_flow():
    teacher = solve(y)
    A = 1 - sp.exp(-t * lam)
    assert sp.simplify(teacher - sp.sqrt(lam) / lam * A * y) == 0  # X^T K^-1 A(t) y
    student = solve(sp.sqrt(lam) * teacher.subs(t, T)).subs(t, s)  # its target is what the teacher predicts
    assert sp.simplify(student - sp.sqrt(lam) / lam * A.subs(t, s) * A.subs(t, T) * y) == 0


def test_the_flow_decouples_in_the_eigenbasis():
    """The same in matrices: V^T b of a rotated diagonal X obeys the scalar equation."""
    angle, phi = sp.symbols("alpha beta", real=True)
    s1, s2, b1, b2, y1, y2 = sp.symbols("sigma1 sigma2 b1 b2 y1 y2", real=True)

    def rotation(a):
        return sp.Matrix([[sp.cos(a), -sp.sin(a)], [sp.sin(a), sp.cos(a)]])

    U, V, S = rotation(angle), rotation(phi), sp.diag(s1, s2)
    X = U * S * V.T
    weights, targets = V * sp.Matrix([b1, b2]), U * sp.Matrix([y1, y2])
    rate = V.T * X.T * (targets - X * weights)
    assert sp.simplify(rate - sp.Matrix([s1 * (y1 - s1 * b1), s2 * (y2 - s2 * b2)])) == sp.zeros(2, 1)


def test_steps_of_the_proof():
    a, b_, u, v, kappa = sp.symbols("a b u v kappa", positive=True)
    r = a + b_ - a * b_
    # Equal convergence along the first direction: the residuals of teacher and student there are both r.
    assert sp.expand(1 - (1 - a) * (1 - b_) - r) == 0
    # The pairs (a, b) and (r, ab) have the same sum, and the second is the more spread one.
    assert sp.expand(a + b_ - (r + a * b_)) == 0
    assert sp.expand((r - a * b_) ** 2 - (a - b_) ** 2 - 4 * a * b_ * (1 - a) * (1 - b_)) == 0
    # The gap is the second difference of w^kappa over the rectangle with these sides ...
    h1, h2 = a * (1 - b_), b_ * (1 - a)
    assert sp.expand(a * b_ + h1 - a) == 0
    assert sp.expand(a * b_ + h2 - b_) == 0
    assert sp.expand(a * b_ + h1 + h2 - r) == 0
    # ... whose mixed derivative has the sign of kappa (kappa - 1): concave below one, convex above.
    w = a * b_ + u + v
    assert sp.simplify(sp.diff(w**kappa, u, v) - kappa * (kappa - 1) * w ** (kappa - 2)) == 0


def test_the_double_integral_is_the_gap_for_a_kappa_that_integrates_by_hand():
    a, b_ = sp.Rational(1, 3), sp.Rational(1, 5)
    u, v = sp.symbols("u v", positive=True)
    kappa = sp.Rational(1, 2)
    r, h1, h2 = a + b_ - a * b_, a * (1 - b_), b_ * (1 - a)
    integral = sp.integrate(sp.integrate((a * b_ + u + v) ** (kappa - 2), (u, 0, h1)), (v, 0, h2))
    gap = a**kappa + b_**kappa - r**kappa - (a * b_) ** kappa
    assert abs(sp.N(kappa * (1 - kappa) * integral - gap, 30)) < 1e-28
    assert sp.N(gap) > 0


def test_the_way_back_from_the_other_side_of_the_pivot():
    """Eq. (30): the gap below, matched at the larger eigenvalue, gives the gap above, matched at the smaller."""
    kappa, a, b_ = sp.symbols("kappa a b", positive=True)
    A, B = a**kappa, b_**kappa  # residuals at the larger eigenvalue
    r = a + b_ - a * b_
    R = A + B - A * B
    gap_below = r - R ** (1 / kappa)  # teacher - student at the smaller, matched at the larger, by its residuals
    gap_above = R - r**kappa  # student - teacher at the larger, matched at the smaller, with its sign turned
    share = r**kappa * (1 - (1 - gap_below / r) ** kappa)
    values = {kappa: sp.Rational(5, 2), a: sp.Rational(1, 3), b_: sp.Rational(1, 7)}
    assert abs(sp.N((gap_above + share).subs(values), 40)) < 1e-35
