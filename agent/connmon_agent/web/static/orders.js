// Orders to the agent. There are none unless the server says so: then each is confirmed, and sent with the token.
import { byId, el, fill } from "./elements.js";
import { ask } from "./server.js";

const KEPT = "connmon-token"; // in this tab's session alone

const ORDERS = {
  pause: { name: "Pause restarts", text: "The agent keeps watching but restarts nothing until you resume." },
  resume: { name: "Resume restarts", text: "The agent may restart services again." },
  recover: { name: "Restart all services now", text: "Each service is restarted once, in dependency order, within its budget." },
  rearm: { name: "Reset restart attempts", text: "The restart attempts of these services are reset. Fix the cause first." },
};

export class Orders {
  constructor() {
    this.box = byId("orders");
    this.dialog = byId("confirm");
    this.box.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.#confirm(button.dataset.order, JSON.parse(button.dataset.services), button);
    });
    byId("confirm-no").addEventListener("click", () => this.dialog.close());
    byId("confirm-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  /** The orders that make sense in this state. */
  show(document) {
    this.box.hidden = !document.orders;
    if (!document.orders) return;
    const lost = document.services.filter((service) => service.state === "GAVE_UP").map((service) => service.name);
    const orders = [[document.agent.paused ? "resume" : "pause", []], ["recover", []], ...(lost.length ? [["rearm", lost]] : [])];
    fill(this.box, orders.map(([order, services]) => el("button", {
      type: "button", "data-order": order, "data-services": JSON.stringify(services), "data-key": `order ${order}`,
    }, services.length ? `${ORDERS[order].name}: ${services.join(", ")}` : ORDERS[order].name)));
  }

  #confirm(order, services, button) {
    Object.assign(this, { order, services, button });
    byId("confirm-title").textContent = `${ORDERS[order].name}?`;
    byId("confirm-text").textContent = services.length ? `${services.join(", ")}: ${ORDERS[order].text}` : ORDERS[order].text;
    byId("confirm-yes").textContent = ORDERS[order].name;
    this.#askToken(!sessionStorage.getItem(KEPT));
    byId("confirm-error").textContent = "";
    this.dialog.showModal();
  }

  #askToken(wanted) {
    byId("confirm-token").hidden = !wanted;
    byId("token").required = wanted;
    byId("token").value = "";
  }

  async #send() {
    const token = sessionStorage.getItem(KEPT) || byId("token").value.trim();
    const yes = byId("confirm-yes");
    yes.disabled = true;
    byId("confirm-error").textContent = "";
    try {
      const { message } = await ask("/api/orders", { order: { order: this.order, services: this.services }, token });
      sessionStorage.setItem(KEPT, token);
      this.dialog.close();
      toast(message);
      this.box.querySelector(`[data-key="order ${this.order}"]`)?.focus();
    } catch (failure) {
      if (failure.status === 403) {
        sessionStorage.removeItem(KEPT);
        this.#askToken(true);
        byId("token").focus();
      }
      byId("confirm-error").textContent = [failure.message, failure.hint].filter(Boolean).join(" ");
    } finally {
      yes.disabled = false;
    }
  }
}

let fading;

/** A sentence at the foot of the page, for some seconds. */
export function toast(text) {
  byId("toast").textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => { byId("toast").textContent = ""; }, 12000);
}
