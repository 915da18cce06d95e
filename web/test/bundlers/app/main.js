// A page that knows nothing of where the package's files end up.

import { init } from 'offhook';

window.init = init;
