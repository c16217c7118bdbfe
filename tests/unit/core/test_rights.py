from noria.core.rights import ANYWHERE, LOCAL, NOBODY, Principal, Right, Role


def test_a_role_has_all_rights_of_the_ones_before_it_and_none_beyond():
    order = [Right.NONE, Right.VIEW, Right.CONTRIBUTE, Right.APPROVE, Right.OPERATE, Right.ADMIN]
    for reach, role in enumerate(Role, start=1):
        one = Principal(name="ada", roles={"default": role})
        assert [one.may(right) for right in order] == [step <= reach for step in range(len(order))]


def test_a_role_of_one_project_opens_no_other_and_its_own_line_wins_over_the_general_one():
    one = Principal(name="ada", roles={ANYWHERE: Role.VIEWER, "shop": Role.OPERATOR, "bank": Role.VIEWER})
    assert one.may(Right.OPERATE, "shop")
    assert not one.may(Right.OPERATE, "bank")
    assert one.may(Right.VIEW, "elsewhere") and not one.may(Right.CONTRIBUTE, "elsewhere")


def test_nobody_may_only_what_anybody_may_and_the_machine_s_own_user_everything():
    assert NOBODY.may(Right.NONE) and not NOBODY.may(Right.VIEW)
    assert LOCAL.may(Right.ADMIN, "any")
