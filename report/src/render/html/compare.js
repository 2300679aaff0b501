'use strict';
(()=>{const t=document.getElementById('all');if(!t)return;const heads=[...t.tHead.rows[0].cells],body=t.tBodies[0];
heads.forEach((h,i)=>{const b=h.querySelector('.sort');if(!b)return;b.addEventListener('click',()=>{const d=h.getAttribute('aria-sort')==='ascending'?-1:1;
heads.forEach(x=>x.removeAttribute('aria-sort'));h.setAttribute('aria-sort',d>0?'ascending':'descending');
const v=r=>r.cells[i].dataset.v,rows=[...body.rows].sort((p,q)=>{const a=v(p),c=v(q);if(!a)return 1;if(!c)return-1;const n=+a,m=+c;return(isNaN(n)||isNaN(m)?a.localeCompare(c):n-m)*d});body.append(...rows)})})})();
