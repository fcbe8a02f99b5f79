"""What did a proof find: the sentence, the subsets, the curves, the groups, and what to do with it?"""

import pandas as pd
import streamlit as st

from core.reports import ArmResult, Compared, ProofPlan, ProofReport
from core.web.charts import figure_config
from core.web.notices import escape_markdown, lead_to
from core.web.proof.advice import advise
from core.web.proof.charts import describe_curves, describe_losses, draw_curves, draw_losses
from core.web.theme import format_count, format_percent, format_sig

ICONS = {
    "better": ":material/trending_up:",
    "worse": ":material/trending_down:",
    "no difference": ":material/drag_handle:",
}
HOW = (
    "Further right is better, by so much lower an NLL. The bars are 95 % paired bootstrap intervals over the held-out "
    "examples, each subset as it is. A random subset is measured from the mean of the others. The sentences above also "
    "count how far random subsets lie apart: a selection must be told from one more random subset, which the bootstrap "
    "alone would often call a difference."
)
CHANCE = "Of twenty groups about one shows a difference by chance alone."


def describe_tuning(plan: ProofPlan) -> str:
    """With what a proof's models were made."""
    asked, model = plan.settings, plan.scoring["model"]
    weights = {"full": "all weights", "lora": "a LoRA adapter"}[asked["method"]]
    passes = "1 pass" if asked["epochs"] == 1 else f"{asked['epochs']} passes"
    return (
        f"Tuned: {weights} of {model}, {passes}, {asked['batch_tokens']:,} response tokens a step, learning rate "
        f"{asked['learning_rate']:g}, seed {asked['seed']} of the random subsets."
    )


def show_found(report: ProofReport) -> None:
    """Everything that the finished fine-tunes say."""
    for found in (*report.compared, *report.smaller):
        _say(found)
    if report.answers:
        st.info(escape_markdown(report.answers), icon=":material/task_alt:")
    for note in report.notes:
        st.caption(escape_markdown(note))
    if not report.compared and report.done < report.planned:
        st.caption("The first sentence comes when each subset has been tuned on once.")
    if not report.arms or report.base is None:
        return
    with st.container(horizontal=True, gap="medium"):
        st.metric("NLL before tuning", f"{format_sig(report.base)} nats a token", width="content")
        own = next((arm for arm in report.arms if arm.kind == "selection"), None)
        if own:
            st.metric("After the selection", f"{format_sig(own.loss)} nats a token", width="content")
        st.metric("Held-out examples", format_count(report.held_out), width="content")
        if own and own.accuracy is not None and report.base_accuracy is not None:
            told = f"{format_percent(report.base_accuracy)} → {format_percent(own.accuracy)}"
            st.metric("Right final answers", told, width="content")
    figure, alt = draw_losses(report.arms), describe_losses(report.arms)
    st.plotly_chart(figure, key="proof.losses", config=figure_config("held-out-nll"), alt=alt)
    st.caption(HOW)
    figure, alt = draw_curves(report.arms, report.base), describe_curves(report.arms, report.base)
    st.plotly_chart(figure, key="proof.curves", config=figure_config("learning-curves"), alt=alt)
    _show_arms(report.arms)
    _show_groups(report.groups)
    _show_advice(report)


def _show_advice(report: ProofReport) -> None:
    advised = advise(report)
    if advised:
        st.header("What next?")
    for advice in advised:
        st.write(escape_markdown(advice.words))
        lead_to(advice.page, advice.label, **advice.address)


def _say(found: Compared) -> None:
    show = {"better": st.success, "worse": st.warning}.get(found.verdict, st.info)
    show(escape_markdown(found.sentence), icon=ICONS[found.verdict])


def _show_arms(arms: list[ArmResult]) -> None:
    table = pd.DataFrame(
        {
            "Subset": [arm.name for arm in arms],
            "Examples": [arm.examples for arm in arms],
            "Response tokens": [arm.tokens for arm in arms],
            "Steps": [arm.steps for arm in arms],
            "Seeds": [arm.seeds for arm in arms],
            "NLL (nats a token)": [arm.loss for arm in arms],
            "Right answers (%)": [None if arm.accuracy is None else 100 * arm.accuracy for arm in arms],
        }
    ).dropna(axis=1, how="all")
    columns = {
        name: st.column_config.NumberColumn(format="localized") for name in ("Examples", "Response tokens", "Steps")
    }
    columns |= {"NLL (nats a token)": st.column_config.NumberColumn(format="%.4f")}
    columns |= {"Right answers (%)": st.column_config.NumberColumn(format="%.1f")}
    with st.expander("Every subset"):
        st.dataframe(table, hide_index=True, height="content", column_config=columns)


def _show_groups(groups: list[Compared]) -> None:
    if not groups:
        return
    st.header("Which groups gained or lost, against random?")
    ordered = sorted(groups, key=lambda group: group.advantage)
    table = pd.DataFrame(
        {
            "Group": [group.group for group in ordered],
            "Held-out examples": [group.examples for group in ordered],
            "Advantage": [group.advantage for group in ordered],
            "From": [group.low for group in ordered],
            "To": [group.high for group in ordered],
            "It is": [group.verdict for group in ordered],
        }
    )
    nats = st.column_config.NumberColumn(format="%+.3f", help="Nats a token; positive where the selection is better.")
    columns = {"Advantage": nats, "From": nats, "To": nats}
    st.dataframe(table, hide_index=True, height="content", column_config=columns)
    st.caption(CHANCE)
