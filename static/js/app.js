// The dashboard's script: small modules, each in charge of one behaviour that HTML lacks. Loaded on every page.
import "./theme.js";
import "./times.js";
import "./notices.js";
import "./dialogs.js";
import "./copying.js";
import "./frame.js";
import "./palette.js";
import "./choosing.js";
import "./filters.js";
import "./tabs.js";
import "./picking.js";
import "./live.js";
